#if defined(__aarch64__)
#include "ternary_neon.h"

#include <arm_neon.h>

// A tile is decoded in three passes: its payload to one code a byte; its flags to one event a byte, to
// which the codes are spread; and the events step by step to the columns of their nonzeros.
//
// An event has bit 7 set for a nonzero. Its code is stored with all bits turned round, so that a byte
// of zeros is an event of `run` zeros, which moves its row on by the same rule as a nonzero: by the
// run less the bits of the gap.

enum {
  STRIPS = QMOE_NEON_STRIPS,
  NONZERO = 0x80,
  MAX_EVENTS = QMOE_TILE_ROWS * QMOE_TILE_COLUMNS,
  // Codes and events are read up to 64 at a time from anywhere up to the last.
  PADDING = 64,
};

// How sixteen codes of some width are taken out of 2 * (width + 1) bytes.
typedef struct {
  // The two bytes in which each of the first and of the last eight codes begins.
  uint8_t first[16], last[16];
  int16_t shift[8];
} code_layout;

static code_layout layouts[QMOE_MAX_WIDTH + 1];

// For each byte of eight bits: how many set bits lie before each of them; 255, which a table look-up
// takes for none, where the bit itself is not set.
static uint8_t ranks[256][8];

// Before main, so that no kernel has to ask whether they are there.
__attribute__((constructor)) static void make_tables(void) {
  for (unsigned width = 0; width <= QMOE_MAX_WIDTH; width++) {
    code_layout *l = &layouts[width];
    for (unsigned i = 0; i < 8; i++) {
      unsigned bit = i * (width + 1);
      for (unsigned j = 0; j < 2; j++) {
        l->first[2 * i + j] = (uint8_t)(bit / 8 + j);
        l->last[2 * i + j] = (uint8_t)(bit / 8 + j + width + 1);
      }
      l->shift[i] = (int16_t)(0 - (int)(bit % 8)); // a negative shift to the left goes to the right
    }
  }
  for (unsigned byte = 0; byte < 256; byte++) {
    uint8_t rank = 0;
    for (unsigned bit = 0; bit < 8; bit++) ranks[byte][bit] = byte >> bit & 1 ? rank++ : 255;
  }
}

// Unpacks the payload to events of nonzeros. Reads up to 16 bytes behind the payload and writes at
// most MAX_EVENTS bytes, since the payload has at most 2048 * (width + 1).
static void unpack_payload(const qmoe_tile *tile, uint8_t *out) {
  const code_layout *l = &layouts[tile->width];
  const uint8x16_t first = vld1q_u8(l->first), last = vld1q_u8(l->last);
  const int16x8_t shift = vld1q_s16(l->shift);
  const uint8_t *end = tile->payload + tile->payload_bytes;
  for (const uint8_t *p = tile->payload; p < end; p += 2 * (tile->width + 1), out += 16) {
    uint8x16_t bytes = vld1q_u8(p);
    uint16x8_t low = vreinterpretq_u16_u8(vqtbl1q_u8(bytes, first));
    uint16x8_t high = vreinterpretq_u16_u8(vqtbl1q_u8(bytes, last));
    uint8x16_t codes = vuzp1q_u8(
        vreinterpretq_u8_u16(vshlq_u16(low, shift)), vreinterpretq_u8_u16(vshlq_u16(high, shift)));
    // What is left of other codes in the bits between sign and NONZERO meets no mask.
    vst1q_u8(out, vornq_u8(vdupq_n_u8(NONZERO), codes));
  }
}

// The eight bytes that the eight bits of a mask take from `in`: the next one for each set bit.
static inline uint8x8_t spread_byte(const uint8_t *in, uint64_t mask) {
  return vqtbl1_u8(vld1q_u8(in), vld1_u8(ranks[mask & 255]));
}

// Of 64 bytes the next one of `in` for each set bit of `mask`, 0 for the others. Returns how many it
// took; reads up to 16 bytes behind them.
static inline size_t spread(const uint8_t *in, uint64_t mask, uint8x16_t out[STRIPS]) {
  // Sums of the bits up to each byte, all at once, so that no byte waits for the one before it.
  uint64_t counts = vget_lane_u64(vreinterpret_u64_u8(vcnt_u8(vcreate_u8(mask))), 0);
  uint64_t sums = counts * 0x0101010101010101u, before = sums << 8;
  for (int i = 0; i < STRIPS; i++) {
    out[i] = vcombine_u8(
        spread_byte(in + (before >> (16 * i) & 255), mask >> (16 * i)),
        spread_byte(in + (before >> (16 * i + 8) & 255), mask >> (16 * i + 8)));
  }
  return sums >> 56;
}

// Turns the flags to events. Returns the number of nonzeros among all the bits of their bytes.
static size_t list_events(const qmoe_tile *tile, const uint8_t *codes, uint8_t *events) {
  const uint8_t *next = codes;
  for (size_t byte = 0; byte < tile->flag_bytes; byte += 8) {
    size_t left = tile->flag_bytes - byte;
    uint64_t flags;
    memcpy(&flags, tile->flags + byte, 8);
    if (left < 8) flags &= (1ull << 8 * left) - 1; // behind them follows the trailer
    uint8x16_t strips[STRIPS];
    next += spread(next, flags, strips);
    for (int i = 0; i < STRIPS; i++) vst1q_u8(events + 8 * byte + 16 * i, strips[i]);
  }
  return (size_t)(next - codes);
}

// The rows of a tile while it is decoded.
typedef struct {
  // The column of each row's last event, 8 bits: 255 before column 0; wraps where a row is finished.
  uint8x16_t column[STRIPS];
  uint64_t active; // rows not finished
  const uint8_t *events; // those left
  uint8x16_t run, gap_mask, sign_bit;
  uint8x16_t overrun; // not zero where a nonzero lay beyond the last column
} rows_state;

static inline rows_state begin_rows(const qmoe_tile *tile, const uint8_t *events) {
  rows_state s;
  for (int i = 0; i < STRIPS; i++) s.column[i] = vdupq_n_u8((uint8_t)(tile->first_column - 1));
  s.active = tile->rows == QMOE_TILE_ROWS ? ~0ull : (1ull << tile->rows) - 1;
  s.events = events;
  s.run = s.sign_bit = vdupq_n_u8((uint8_t)(1 << tile->width));
  s.gap_mask = vdupq_n_u8((uint8_t)((1 << tile->width) - 1));
  s.overrun = vdupq_n_u8(0);
  return s;
}

// The smallest byte of each of four registers, in the first four bytes.
static inline uint8x16_t smallest(const uint8x16_t v[STRIPS]) {
  uint8x16_t eighths = vpminq_u8(vpminq_u8(v[0], v[1]), vpminq_u8(v[2], v[3]));
  uint8x16_t halves = vpminq_u8(eighths, eighths);
  return vpminq_u8(halves, halves);
}

static inline uint8_t largest(const uint8x16_t v[STRIPS]) {
  return vmaxvq_u8(vmaxq_u8(vmaxq_u8(v[0], v[1]), vmaxq_u8(v[2], v[3])));
}

// Writes down a look-up of the rows in `nonzero` that are in their strip's window, and leaves the
// other rows. Returns whether there are any.
static inline int add_lookup(
    const uint8x16_t column[STRIPS], uint8x16_t nonzero[STRIPS], const uint8x16_t positive[STRIPS],
    qmoe_neon_tile *out) {
  uint8x16_t ahead[STRIPS];
  for (int i = 0; i < STRIPS; i++) ahead[i] = vornq_u8(column[i], nonzero[i]);
  uint8x16_t first = vminq_u8(
      smallest(ahead), vdupq_n_u8(QMOE_TILE_COLUMNS - QMOE_NEON_WINDOW));
  uint32_t firsts = vgetq_lane_u32(vreinterpretq_u32_u8(first), 0);
  memcpy(out->first[out->count], &firsts, sizeof firsts);
  const uint8x16_t starts[STRIPS] = {
      vdupq_laneq_u8(first, 0), vdupq_laneq_u8(first, 1), vdupq_laneq_u8(first, 2),
      vdupq_laneq_u8(first, 3)};
  for (int i = 0; i < STRIPS; i++) {
    uint8x16_t index = vsubq_u8(column[i], starts[i]);
    vst1q_u8(out->index[out->count] + 16 * i, vornq_u8(index, nonzero[i]));
    vst1q_u8(out->positive[out->count] + 16 * i, positive[i]);
    ahead[i] = vandq_u8(index, nonzero[i]);
  }
  out->count++;
  if (largest(ahead) < QMOE_NEON_WINDOW) return 0;
  for (int i = 0; i < STRIPS; i++) nonzero[i] = vcgeq_u8(ahead[i], vdupq_n_u8(QMOE_NEON_WINDOW));
  return 1;
}

// Moves the rows on by one event each and writes down where they met nonzeros.
static inline void take_step(
    rows_state *s, const uint8x16_t event[STRIPS], qmoe_neon_tile *out) {
  uint8x16_t nonzero[STRIPS], positive[STRIPS];
  for (int i = 0; i < STRIPS; i++) {
    uint8x16_t moved = vsubq_u8(s->run, vandq_u8(event[i], s->gap_mask));
    s->column[i] = vaddq_u8(s->column[i], moved);
    nonzero[i] = vcltzq_s8(vreinterpretq_s8_u8(event[i]));
    positive[i] = vtstq_u8(event[i], s->sign_bit);
  }
  while (add_lookup(s->column, nonzero, positive, out)) continue;
}

// A bit for each byte, from bytes that are 0 or 255.
static inline uint64_t bits_of(const uint8x16_t mask[STRIPS]) {
  const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
  uint8x16_t bits[STRIPS];
  for (int i = 0; i < STRIPS; i++) bits[i] = vandq_u8(mask[i], bit);
  uint8x16_t quarters = vpaddq_u8(vpaddq_u8(bits[0], bits[1]), vpaddq_u8(bits[2], bits[3]));
  return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(quarters, quarters)), 0);
}

// A step in which rows may finish.
static inline void last_step(
    rows_state *s, const uint8x16_t event[STRIPS], qmoe_neon_tile *out) {
  const uint8x16_t one = vdupq_n_u8(1);
  uint8x16_t position[STRIPS], unfinished[STRIPS];
  for (int i = 0; i < STRIPS; i++) position[i] = vaddq_u8(s->column[i], one);
  take_step(s, event, out);
  for (int i = 0; i < STRIPS; i++) {
    uint8x16_t column = s->column[i];
    unfinished[i] = vcgtq_u8(vaddq_u8(column, one), position[i]);
    uint8x16_t beyond = vcltq_u8(column, position[i]);
    uint8x16_t nonzero = vandq_u8(event[i], vdupq_n_u8(NONZERO));
    s->overrun = vorrq_u8(s->overrun, vandq_u8(beyond, nonzero));
  }
  s->active &= bits_of(unfinished);
}

static inline void load_events(rows_state *s, uint8x16_t event[STRIPS]) {
  for (int i = 0; i < STRIPS; i++) event[i] = vld1q_u8(s->events + 16 * i);
  s->events += QMOE_TILE_ROWS;
}

// The steps up to the one in which the first of 64 rows finishes; each takes 64 events. An event moves
// its row on by at most `run` columns, so that it is known how many steps even the foremost row still
// needs, and only the last of them has to look who is finished. If that is nobody, it goes on so.
static void full_steps(rows_state *s, const qmoe_tile *tile, qmoe_neon_tile *out) {
  unsigned foremost = tile->first_column;
  while (s->active == ~0ull) {
    unsigned steps = (QMOE_TILE_COLUMNS - 1 - foremost) >> tile->width;
    uint8x16_t event[STRIPS];
    for (; steps > 0; steps--) {
      load_events(s, event);
      take_step(s, event, out);
    }
    load_events(s, event);
    last_step(s, event, out);
    foremost = (unsigned)(uint8_t)(largest(s->column) + 1);
  }
}

// The steps after them: events are spread over the rows that are left.
static void partial_steps(rows_state *s, qmoe_neon_tile *out) {
  // No more than 256 in all, since each moves its rows on.
  while (s->active) {
    uint8x16_t event[STRIPS];
    s->events += spread(s->events, s->active, event);
    last_step(s, event, out);
  }
}

// `nonzeros` counts those in the bytes of all flags.
static qmoe_ternary_status check_lengths(const qmoe_tile *tile, size_t flags, size_t nonzeros) {
  // Bits behind the last flag in its byte are none.
  if (flags % 8 != 0 && flags / 8 < tile->flag_bytes) {
    nonzeros -= (size_t)__builtin_popcount(tile->flags[flags / 8] >> flags % 8);
  }
  return qmoe_check_tile(tile, flags, nonzeros);
}

qmoe_ternary_status qmoe_neon_decode(const qmoe_tile *tile, qmoe_neon_tile *out) {
  uint8_t codes[MAX_EVENTS + PADDING], events[MAX_EVENTS + PADDING];
  unpack_payload(tile, codes);
  size_t nonzeros = list_events(tile, codes, events);
  rows_state s = begin_rows(tile, events);
  out->count = 0;
  full_steps(&s, tile, out);
  partial_steps(&s, out);
  out->overrun = vmaxvq_u8(s.overrun) != 0;
  return check_lengths(tile, (size_t)(s.events - events), nonzeros);
}
#else
typedef int not_for_this_processor;
#endif
