// Waiting for another thread.
#pragma once

// Tells the processor that this thread only waits; takes some ten nanoseconds.
static inline void qmoe_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
