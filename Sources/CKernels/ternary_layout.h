// How payload codes of each width are taken apart, byte by byte of a 64-byte register.
#pragma once
#include "include/ternary.h"

typedef struct {
  // The byte of the payload that each byte of a result takes first: a group of width + 1 bytes holds
  // 8 codes and goes to 8 bytes.
  _Alignas(64) uint8_t spread[64];
  // Where a code begins in its group.
  uint8_t shift[64];
  // The bits of a code, of its gap, of its sign.
  uint8_t code_mask[64], gap_mask[64], sign_bit[64];
} qmoe_code_layout;

// By width.
extern qmoe_code_layout qmoe_code_layouts[QMOE_MAX_WIDTH + 1];
