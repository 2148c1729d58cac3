// Random ternary matrices, coded by a plain encoder after docs/format.md, in memory that ends where it
// can be read.
#pragma once
#include "CKernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_SIZE = 700 };

#define REQUIRE(condition, ...)                                                                  \
  do {                                                                                           \
    if (condition) break;                                                                        \
    fprintf(stderr, "%s:%d: not true: %s: ", __FILE__, __LINE__, #condition);                    \
    fprintf(stderr, __VA_ARGS__);                                                                \
    fprintf(stderr, "\n");                                                                       \
    exit(1);                                                                                     \
  } while (0)

static uint64_t seed = 1;

// splitmix64
static uint64_t next_random(void) {
  uint64_t z = seed += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static size_t random_below(size_t limit) { return (size_t)(next_random() % limit); }
static double random_share(void) { return (double)(next_random() >> 11) * 0x1p-53; }

static size_t mapped_bytes(size_t bytes, size_t page) { return (bytes + page - 1) / page * page; }

// Memory that ends at a page that cannot be touched. Filled with 0xee.
static void *guarded(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = mapped_bytes(bytes, page);
  unsigned char *base = mmap(
      0, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(base != MAP_FAILED, "%zu bytes", bytes);
  REQUIRE(mprotect(base + whole, page, PROT_NONE) == 0, "%zu bytes", bytes);
  memset(base, 0xee, whole);
  return base + whole - bytes;
}

static void release(void *buffer, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = mapped_bytes(bytes, page);
  munmap((unsigned char *)buffer + bytes - whole, whole + page);
}

// Bits that grow, in bytes filled from the low end.
typedef struct {
  uint8_t bytes[2048 * (QMOE_MAX_WIDTH + 1) + 8];
  size_t count;
} bit_string;

static void append(bit_string *s, unsigned bits, unsigned count) {
  for (unsigned i = 0; i < count; i++, s->count++) {
    if (s->count % 8 == 0) s->bytes[s->count / 8] = 0;
    s->bytes[s->count / 8] |= (uint8_t)((bits >> i & 1) << s->count % 8);
  }
}

// The tile of `rows` by `columns` symbols, to out; returns its bytes.
static size_t encode_tile(
    const int8_t *symbols, size_t stride, size_t rows, size_t columns, unsigned width,
    uint8_t *out) {
  static bit_string payload, flags;
  payload.count = flags.count = 0;
  const size_t run = (size_t)1 << width;
  size_t at[QMOE_TILE_ROWS] = {0}, unfinished = rows;
  while (unfinished > 0) {
    for (size_t r = 0; r < rows; r++) {
      if (at[r] >= columns) continue;
      const int8_t *row = symbols + r * stride;
      size_t gap = 0;
      while (gap < run && at[r] + gap < columns && row[at[r] + gap] == 0) gap++;
      unsigned is_nonzero = gap < run && at[r] + gap < columns;
      append(&flags, is_nonzero, 1);
      if (is_nonzero) append(&payload, (unsigned)(gap | (row[at[r] + gap] < 0 ? run : 0)), width + 1);
      at[r] += is_nonzero ? gap + 1 : run;
      if (at[r] >= columns) unfinished--;
    }
  }
  const size_t payload_bytes = (payload.count + 7) / 8, flag_bytes = (flags.count + 7) / 8;
  memcpy(out, payload.bytes, payload_bytes);
  memcpy(out + payload_bytes, flags.bytes, flag_bytes);
  out[payload_bytes + flag_bytes] = (uint8_t)flag_bytes;
  out[payload_bytes + flag_bytes + 1] = (uint8_t)(flag_bytes >> 8 | width << 4);
  return payload_bytes + flag_bytes + 2;
}

// A coded matrix in guarded memory. code_bytes includes what kernels may read behind the codes.
typedef struct {
  qmoe_ternary coded;
  uint8_t *codes;
  uint32_t *offsets;
  size_t tiles, code_bytes;
} matrix;

static matrix make_matrix(
    size_t rows, size_t columns, const uint8_t *codes, const uint32_t *offsets) {
  matrix m = {.coded = {rows, columns, 0, 0}};
  m.tiles = qmoe_row_groups(&m.coded) * qmoe_column_blocks(&m.coded);
  m.code_bytes = offsets[m.tiles] + QMOE_TERNARY_SLACK;
  m.coded.codes = m.codes = guarded(m.code_bytes);
  m.coded.offsets = m.offsets = guarded((m.tiles + 1) * 4);
  memcpy(m.codes, codes, offsets[m.tiles]);
  memcpy(m.offsets, offsets, (m.tiles + 1) * 4);
  return m;
}

static void free_matrix(matrix *m) {
  release(m->codes, m->code_bytes);
  release(m->offsets, (m->tiles + 1) * 4);
}

static matrix random_matrix(size_t rows, size_t columns, int width) {
  static int8_t symbols[MAX_SIZE * MAX_SIZE];
  static uint8_t codes[MAX_SIZE * MAX_SIZE * 2];
  const double zeros = random_share(), unevenness = random_share();
  for (size_t r = 0; r < rows; r++) {
    // Rows that advance differently.
    double share = zeros + (1 - zeros) * unevenness * random_share();
    for (size_t c = 0; c < columns; c++) {
      symbols[r * columns + c] =
          (int8_t)(random_share() < share ? 0 : 2 * (int)(next_random() >> 63) - 1);
    }
  }
  uint32_t offsets[64] = {0}, *end = offsets;
  for (size_t r = 0; r < rows; r += QMOE_TILE_ROWS) {
    for (size_t c = 0; c < columns; c += QMOE_TILE_COLUMNS, end++) {
      size_t height = rows - r < QMOE_TILE_ROWS ? rows - r : QMOE_TILE_ROWS;
      size_t breadth = columns - c < QMOE_TILE_COLUMNS ? columns - c : QMOE_TILE_COLUMNS;
      unsigned k = width < 0 ? (unsigned)random_below(QMOE_MAX_WIDTH + 1) : (unsigned)width;
      end[1] = end[0] + (uint32_t)encode_tile(
                            symbols + r * columns + c, columns, height, breadth, k, codes + end[0]);
    }
  }
  return make_matrix(rows, columns, codes, offsets);
}
