#if defined(__aarch64__)
#define NAME(f) f##_neon
#define TARGET // every arm64 processor has NEON
#include "rounding.h"
#else
typedef int not_for_this_processor;
#endif
