#define NAME(f) f##_scalar
#define TARGET
#include "rounding.h"
