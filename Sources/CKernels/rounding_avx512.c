#if defined(__x86_64__)
#define NAME(f) f##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#include "rounding.h"
#else
typedef int not_for_this_processor;
#endif
