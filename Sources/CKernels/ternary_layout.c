#include "ternary_layout.h"

qmoe_code_layout qmoe_code_layouts[QMOE_MAX_WIDTH + 1];
qmoe_code_pair_layout qmoe_code_pair_layouts[QMOE_MAX_WIDTH + 1];

static void set_pair(uint8_t bytes[2], uint16_t *factor, unsigned bit) {
  bytes[0] = (uint8_t)(bit / 8);
  bytes[1] = (uint8_t)(bit / 8 + 1);
  *factor = (uint16_t)(1u << (8 - bit % 8));
}

// Before main, so that no kernel has to ask whether they are there.
__attribute__((constructor)) static void make_layouts(void) {
  for (unsigned width = 0; width <= QMOE_MAX_WIDTH; width++) {
    const unsigned bits = width + 1;
    qmoe_code_layout *l = &qmoe_code_layouts[width];
    for (unsigned i = 0; i < 64; i++) {
      l->spread[i] = (uint8_t)(i % 8 < bits ? i / 8 * bits + i % 8 : 63);
      l->shift[i] = (uint8_t)(i % 8 * bits);
      l->gap_mask[i] = (uint8_t)((1u << width) - 1);
      l->sign_bit[i] = (uint8_t)(1u << width);
    }
    qmoe_code_pair_layout *p = &qmoe_code_pair_layouts[width];
    for (unsigned i = 0; i < 16; i++) {
      set_pair(&p->even_bytes[2 * i], &p->even_factors[i], i % 8 * 2 * bits);
      set_pair(&p->odd_bytes[2 * i], &p->odd_factors[i], (i % 8 * 2 + 1) * bits);
    }
  }
}
