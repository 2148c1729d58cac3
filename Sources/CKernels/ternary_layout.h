// How payload codes of each width are taken apart in registers.
#pragma once
#include "include/ternary.h"

// For AVX-512, byte by byte of a 64-byte register.
typedef struct {
  // The byte of the payload that each byte of a result takes first: a group of width + 1 bytes holds
  // 8 codes and goes to 8 bytes.
  _Alignas(64) uint8_t spread[64];
  // Where a code begins in its group.
  uint8_t shift[64];
  // The bits of a code's gap and of its sign.
  uint8_t gap_mask[64], sign_bit[64];
} qmoe_code_layout;

// For AVX2, where bytes are shifted by multiplying pairs of them. Sixteen codes, 2 * (width + 1)
// bytes, go to each half of a 32-byte register.
typedef struct {
  // The two bytes of the payload in which each even code lies, and each odd one.
  _Alignas(32) uint8_t even_bytes[32];
  uint8_t odd_bytes[32];
  // The power of two that moves the code to the higher byte.
  uint16_t even_factors[16], odd_factors[16];
} qmoe_code_pair_layout;

// By width.
extern qmoe_code_layout qmoe_code_layouts[QMOE_MAX_WIDTH + 1];
extern qmoe_code_pair_layout qmoe_code_pair_layouts[QMOE_MAX_WIDTH + 1];
