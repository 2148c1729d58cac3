#if defined(__x86_64__)
#define NAME(f) f##_avx2
#define TARGET __attribute__((target("avx2")))
#include "rounding.h"
#else
typedef int not_for_this_processor;
#endif
