// Compares the kernels of one instruction set with the scalar ones, for machines other than the one
// that builds: no more than C is needed, so that it runs in an emulator.
//
// Every buffer ends where the memory ends that can be touched: a read or write too far is a crash.
#include "random-matrix.h"

#include <math.h>

enum { MAX_TOKENS = 9 };

static const qmoe_kernels *tested, *scalar;

static float normal(void) {
  float sum = -6;
  for (int i = 0; i < 12; i++) sum += (float)random_share();
  return sum;
}

// Activations of one token, at times with what needs care.
static void fill_activations(float *x, size_t count) {
  static const float special[] = {0, 1e-38f, 1e-40f, 3e38f, INFINITY, NAN};
  const float scale = random_below(8) ? 1 : special[random_below(4)];
  for (size_t i = 0; i < count; i++) x[i] = normal() * scale;
  if (random_below(16) == 0) x[random_below(count)] = special[4 + random_below(2)];
}

static void check_equal(const void *a, const void *b, size_t bytes, const char *what) {
  REQUIRE(memcmp(a, b, bytes) == 0, "%s differ (seed %llu)", what, (unsigned long long)seed);
}

// Quantizes activations for `tokens` by both kernels; values and scales are guarded and equal.
static qmoe_int8_activations quantize(size_t tokens, size_t columns) {
  const size_t blocks = (columns + 255) / 256, value_bytes = tokens * blocks * 256;
  const size_t scale_bytes = tokens * blocks * 4;
  int8_t *values[2] = {guarded(value_bytes), guarded(value_bytes)};
  float *scales[2] = {guarded(scale_bytes), guarded(scale_bytes)}, *x = guarded(columns * 4);
  for (size_t t = 0; t < tokens; t++) {
    fill_activations(x, columns);
    for (int i = 0; i < 2; i++) {
      (i ? tested : scalar)->quantize_activations(
          x, columns, values[i] + t * blocks * 256, scales[i] + t * blocks);
    }
  }
  check_equal(values[0], values[1], value_bytes, "activations");
  check_equal(scales[0], scales[1], scale_bytes, "scales");
  release(x, columns * 4);
  release(values[1], value_bytes);
  release(scales[1], scale_bytes);
  return (qmoe_int8_activations){tokens, values[0], scales[0]};
}

// Random levels of so many rows, of one byte or two each; `codes` are to be released.
static qmoe_levels random_levels(size_t rows, uint8_t **codes, size_t *bytes) {
  const size_t stride = 1 + random_below(3);
  if (random_below(2)) {
    *bytes = rows * stride * 4;
    *codes = guarded(*bytes);
    for (size_t i = 0; i < *bytes; i += 2) {
      const uint16_t code = (uint16_t)(0x3c00 + random_below(0x400));
      memcpy(*codes + i, &code, 2);
    }
    return (qmoe_levels){*codes, stride, 0, 1 << 16, 1};
  }
  *bytes = rows * stride * 2;
  *codes = guarded(*bytes);
  for (size_t i = 0; i < *bytes; i++) (*codes)[i] = (uint8_t)next_random();
  const uint32_t first = 0x3c000000 + (uint32_t)random_below(1 << 20);
  return (qmoe_levels){*codes, stride, first, (uint32_t)random_below(1 << 17), 0};
}

static void check_levels(size_t rows, const float *positive, const float *negative) {
  uint8_t *codes;
  size_t level_bytes;
  qmoe_levels levels = random_levels(rows, &codes, &level_bytes);
  float *y[2] = {guarded(rows * 4), guarded(rows * 4)};
  for (int i = 0; i < 2; i++) {
    const qmoe_kernels *k = i ? tested : scalar;
    k->apply_levels(levels, rows, positive, negative, 0, y[i]);
    k->apply_levels(levels, rows, negative, positive, 1, y[i]);
  }
  check_equal(y[0], y[1], rows * 4, "products");
  release(codes, level_bytes);
  for (int i = 0; i < 2; i++) release(y[i], rows * 4);
}

// Sums of a random part of the matrix; returns whether it was well formed.
static int check_sums(const qmoe_ternary *m) {
  const size_t groups = qmoe_row_groups(m), blocks = qmoe_column_blocks(m);
  const size_t tokens = 1 + random_below(MAX_TOKENS);
  const size_t g = random_below(groups), last_g = g + 1 + random_below(groups - g);
  const size_t b = random_below(blocks), last_b = b + 1 + random_below(blocks - b);
  const size_t rows = 64 * (last_g - g), bytes = tokens * rows * 4;
  qmoe_int8_activations x = quantize(tokens, m->columns);
  float *positive[2] = {guarded(bytes), guarded(bytes)};
  float *negative[2] = {guarded(bytes), guarded(bytes)};
  qmoe_ternary_status status[2];
  for (int i = 0; i < 2; i++) {
    status[i] = (i ? tested : scalar)->ternary_sums(
        m, g, last_g, b, last_b, x, positive[i], negative[i]);
  }
  REQUIRE(status[0] == status[1], "status of sums (seed %llu)", (unsigned long long)seed);
  if (status[0] == QMOE_TERNARY_OK) {
    check_equal(positive[0], positive[1], bytes, "positive sums");
    check_equal(negative[0], negative[1], bytes, "negative sums");
    check_levels(rows, positive[0], negative[0]);
  }
  for (int i = 0; i < 2; i++) release(positive[i], bytes), release(negative[i], bytes);
  release((void *)(uintptr_t)x.values, tokens * blocks * 256);
  release((void *)(uintptr_t)x.scales, tokens * blocks * 4);
  return status[0] == QMOE_TERNARY_OK;
}

// Weights of some rows of a random tile; returns whether it was well formed.
static int check_expand(const qmoe_ternary *m) {
  const size_t group = random_below(qmoe_row_groups(m)), block = random_below(qmoe_column_blocks(m));
  const size_t rows = m->rows - group * 64 < 64 ? m->rows - group * 64 : 64;
  const size_t columns = m->columns - block * 256 < 256 ? m->columns - block * 256 : 256;
  const size_t first = random_below(rows), last = first + 1 + random_below(rows - first);
  const size_t stride = columns + random_below(5), bytes = ((last - first - 1) * stride + columns) * 4;
  uint8_t *codes;
  size_t level_bytes;
  qmoe_levels levels = random_levels(rows, &codes, &level_bytes);
  float *out[2] = {guarded(bytes), guarded(bytes)};
  qmoe_ternary_status status[2];
  for (int i = 0; i < 2; i++) {
    status[i] = (i ? tested : scalar)->ternary_expand(
        m, group, block, levels, first, last, out[i], stride);
  }
  REQUIRE(status[0] == status[1], "status of expansion (seed %llu)", (unsigned long long)seed);
  if (status[0] == QMOE_TERNARY_OK) check_equal(out[0], out[1], bytes, "weights");
  for (int i = 0; i < 2; i++) release(out[i], bytes);
  release(codes, level_bytes);
  return status[0] == QMOE_TERNARY_OK;
}

// All widths, and -1 for one of its own for each tile.
static void check_coded_matrices(int rounds) {
  size_t sums = 0, tiles = 0;
  for (int round = 0; round < rounds; round++) {
    matrix m = random_matrix(1 + random_below(MAX_SIZE), 1 + random_below(MAX_SIZE), round % 8 - 1);
    for (int i = 0; i < 3; i++) sums += (size_t)check_sums(&m.coded);
    for (int i = 0; i < 8; i++) tiles += (size_t)check_expand(&m.coded);
    free_matrix(&m);
  }
  REQUIRE(sums == 3 * (size_t)rounds && tiles == 8 * (size_t)rounds, "a coded matrix was refused");
  printf("%d matrices: the same sums (%zu) and weights (%zu tiles)\n", rounds, sums, tiles);
}

// Full magnitude in every column is where 16-bit sums come closest to their limit.
static void check_largest_sums(void) {
  static int8_t symbols[QMOE_TILE_ROWS * QMOE_TILE_COLUMNS], values[QMOE_TILE_COLUMNS];
  static uint8_t codes[QMOE_TILE_ROWS * QMOE_TILE_COLUMNS * 2];
  for (int sign = -1; sign <= 1; sign += 2) {
    memset(symbols, sign, sizeof symbols);
    memset(values, -127, sizeof values);
    uint32_t offsets[2] = {0, (uint32_t)encode_tile(symbols, 256, 64, 256, 0, codes)};
    matrix m = make_matrix(64, 256, codes, offsets);
    float scale = 1, sums[2][64];
    qmoe_int8_activations x = {1, values, &scale};
    REQUIRE(tested->ternary_sums(&m.coded, 0, 1, 0, 1, x, sums[0], sums[1]) == 0, "full tile");
    for (int r = 0; r < 64; r++) REQUIRE(sums[sign < 0][r] == -127 * 256, "row %d", r);
    free_matrix(&m);
  }
}

// Changed bytes of coded matrices: decoding ends, stays within them, and says the same of them.
static void check_damaged_matrices(int rounds) {
  size_t refused = 0, checks = 0;
  for (int round = 0; round < rounds; round++) {
    matrix m = random_matrix(1 + random_below(200), 1 + random_below(MAX_SIZE), round % 8 - 1);
    for (int i = 0; i < 4; i++, checks += 2) {
      m.codes[random_below(m.code_bytes - QMOE_TERNARY_SLACK)] ^= (uint8_t)(1 << random_below(8));
      refused += (size_t)!check_sums(&m.coded) + (size_t)!check_expand(&m.coded);
    }
    free_matrix(&m);
  }
  printf("changed bits: the same said of them, refused %zu of %zu times\n", refused, checks);
}

// Random bytes with lengths and widths that could be right, so that decoding begins.
static void check_random_bytes(int rounds) {
  static uint8_t codes[20000];
  size_t refused = 0;
  for (int round = 0; round < rounds; round++) {
    const uint32_t size = 2 + (uint32_t)random_below(sizeof codes - 2);
    const uint32_t flag_bytes = (uint32_t)random_below(size - 2 < 2048 ? size - 1 : 2049);
    for (uint32_t i = 0; i < size; i++) codes[i] = (uint8_t)next_random();
    codes[size - 2] = (uint8_t)flag_bytes;
    codes[size - 1] = (uint8_t)(flag_bytes >> 8 | (uint32_t)(round % 8) << 4);
    matrix m = make_matrix(
        1 + random_below(64), 1 + random_below(256), codes, (uint32_t[]){0, size});
    refused += (size_t)!check_sums(&m.coded) + (size_t)!check_expand(&m.coded);
    free_matrix(&m);
  }
  printf("random bytes: refused %zu of %d times\n", refused, 2 * rounds);
}

// One to nine tokens: each gives the bits that it gives alone, and about the right numbers.
static void check_bf16_multiply(int rounds) {
  for (int round = 0; round < rounds; round++) {
    const size_t rows = 1 + random_below(5), columns = 1 + random_below(MAX_SIZE);
    const size_t tokens = 1 + random_below(9);
    uint8_t *weights = guarded(rows * columns * 2);
    float *x = guarded(tokens * columns * 4), *y = guarded(tokens * rows * 4);
    float *alone = guarded(rows * 4);
    for (size_t i = 0; i < tokens * columns; i++) x[i] = normal();
    for (size_t i = 0; i < rows * columns; i++) {
      float weight = normal();
      memcpy(weights + 2 * i, (uint8_t *)&weight + 2, 2);
    }
    tested->bf16_multiply(weights, rows, columns, x, tokens, y, rows);
    for (size_t t = 0; t < tokens; t++) {
      tested->bf16_multiply(weights, rows, columns, x + t * columns, 1, alone, rows);
      REQUIRE(memcmp(y + t * rows, alone, rows * 4) == 0, "token %zu of %zu", t, tokens);
      for (size_t r = 0; r < rows; r++) {
        double sum = 0, magnitude = 0;
        for (size_t c = 0; c < columns; c++) {
          float weight = 0;
          memcpy((uint8_t *)&weight + 2, weights + 2 * (r * columns + c), 2);
          double product = (double)weight * (double)x[t * columns + c];
          sum += product;
          magnitude += fabs(product);
        }
        // Rounding errors grow with the number of terms and their size.
        REQUIRE(
            fabs((double)alone[r] - sum) <= magnitude * 0x1p-23 * (double)(columns + 1), "row %zu", r);
      }
    }
    release(weights, rows * columns * 2);
    release(x, tokens * columns * 4);
    release(y, tokens * rows * 4);
    release(alone, rows * 4);
  }
  printf("%d bfloat16 products\n", rounds);
}

// Softmax and gated SiLU: the bits of the scalar ones.
static void check_exponentials(int rounds) {
  for (int round = 0; round < rounds; round++) {
    const size_t count = 1 + random_below(MAX_SIZE), bytes = count * 4;
    float *x[2] = {guarded(bytes), guarded(bytes)}, *value = guarded(bytes);
    const float sink = round % 2 ? normal() : -INFINITY;
    for (int pass = 0; pass < 2; pass++) {
      for (size_t i = 0; i < count; i++) {
        x[0][i] = x[1][i] = 10 * normal();
        value[i] = normal();
      }
      for (int side = 0; side < 2; side++) {
        const qmoe_kernels *kernels = side ? tested : scalar;
        if (pass) kernels->gate_silu(x[side], value, count);
        else kernels->softmax(x[side], count, sink);
      }
      REQUIRE(memcmp(x[0], x[1], bytes) == 0, "%zu numbers, pass %d", count, pass);
    }
    release(x[0], bytes);
    release(x[1], bytes);
    release(value, bytes);
  }
  printf("%d softmaxes and gates\n", rounds);
}

// Attention of one token: the scalar results, but for the order of the sums.
static void check_attention(int rounds) {
  for (int round = 0; round < rounds; round++) {
    const size_t heads = 1 + random_below(5), size = 1 + random_below(150);
    const size_t keys = 1 + random_below(20), stride = size + random_below(30);
    const size_t row_bytes = ((keys - 1) * stride + size) * 4;
    float *rows = guarded(row_bytes), *queries = guarded(heads * size * 4);
    float *weights = guarded(heads * keys * 4);
    float *scores[2] = {guarded(heads * keys * 4), guarded(heads * keys * 4)};
    float *sums[2] = {guarded(heads * size * 4), guarded(heads * size * 4)};
    for (size_t i = 0; i < row_bytes / 4; i++) rows[i] = normal();
    for (size_t i = 0; i < heads * size; i++) queries[i] = normal();
    for (size_t i = 0; i < heads * keys; i++) weights[i] = normal();
    for (int side = 0; side < 2; side++) {
      const qmoe_kernels *kernels = side ? tested : scalar;
      kernels->attention_scores(queries, heads, size, rows, stride, keys, scores[side], keys);
      kernels->attention_values(weights, keys, heads, size, rows, stride, keys, sums[side]);
    }
    for (size_t i = 0; i < heads * keys; i++) {
      REQUIRE(fabsf(scores[0][i] - scores[1][i]) < 1e-4f, "score %zu", i);
    }
    for (size_t i = 0; i < heads * size; i++) {
      REQUIRE(fabsf(sums[0][i] - sums[1][i]) < 1e-4f, "sum %zu", i);
    }
    for (int side = 0; side < 2; side++) {
      release(scores[side], heads * keys * 4);
      release(sums[side], heads * size * 4);
    }
    release(rows, row_bytes);
    release(queries, heads * size * 4);
    release(weights, heads * keys * 4);
  }
  printf("%d attentions of one token\n", rounds);
}

// Packed grids of random codes and levels, one token and several.
static void check_grids(int rounds) {
  static const size_t widths[] = {2, 3, 4, 8};
  for (int i = 0; i < rounds; i++) {
    qmoe_grid m = {1 + random_below(20), 1 + random_below(MAX_SIZE), widths[random_below(4)], 0, 0, 1, i % 3 == 0};
    if (i % 2) m.groups = qmoe_segments(m.columns);
    const size_t tokens = 1 + random_below(9), segments = qmoe_segments(m.columns);
    const size_t stride = qmoe_segment_stride(m.columns), width = segments * QMOE_SEGMENT;
    const size_t code_bytes = m.rows * ((m.columns * m.bits + 7) / 8), level_bytes = 4 * m.rows * m.groups;
    uint8_t *codes = guarded(code_bytes), *levels = guarded(level_bytes);
    for (size_t j = 0; j < code_bytes; j++) codes[j] = (uint8_t)next_random();
    for (size_t j = 0; j < level_bytes; j += 4) {
      // -1.5 to 0 and 1 to 2.
      const uint16_t low = (uint16_t)(0xbf00 + random_below(0xc0)), high = (uint16_t)(0x3f80 + random_below(0x80));
      memcpy(levels + j, &low, 2);
      memcpy(levels + j + 2, &high, 2);
    }
    m.codes = codes;
    m.levels = levels;
    float *x = guarded(4 * m.columns);
    int8_t *values[2];
    float *scales[2], *sums[2], *y[2];
    for (int k = 0; k < 2; k++) {
      values[k] = guarded(tokens * width);
      scales[k] = guarded(4 * tokens * stride);
      sums[k] = guarded(4 * tokens * stride);
      y[k] = guarded(4 * tokens * m.rows);
    }
    for (size_t t = 0; t < tokens; t++) {
      fill_activations(x, m.columns);
      for (int k = 0; k < 2; k++) {
        (k ? tested : scalar)
            ->quantize_segments(
                x, m.columns, values[k] + t * width, scales[k] + t * stride, sums[k] + t * stride);
      }
    }
    check_equal(values[0], values[1], tokens * width, "values of segments");
    check_equal(scales[0], scales[1], 4 * tokens * stride, "scales of segments");
    check_equal(sums[0], sums[1], 4 * tokens * stride, "sums of segments");
    for (int k = 0; k < 2; k++) {
      const qmoe_grid_activations a = {tokens, values[k], scales[k], sums[k]};
      (k ? tested : scalar)->grid_multiply(&m, 0, m.rows, a, y[k], m.rows);
    }
    float largest = 0;
    for (size_t j = 0; j < tokens * m.rows; j++) largest = fmaxf(largest, fabsf(y[0][j]));
    for (size_t j = 0; j < tokens * m.rows; j++) {
      if (!isfinite(y[0][j]) && !isfinite(y[1][j])) continue;
      REQUIRE(
          fabsf(y[0][j] - y[1][j]) <= 2e-5f * (1 + largest), "%zu bits, %zu columns: %g, not %g", m.bits,
          m.columns, (double)y[1][j], (double)y[0][j]);
    }
    for (int k = 0; k < 2; k++) {
      release(values[k], tokens * width);
      release(scales[k], 4 * tokens * stride);
      release(sums[k], 4 * tokens * stride);
      release(y[k], 4 * tokens * m.rows);
    }
    release(codes, code_bytes);
    release(levels, level_bytes);
    release(x, 4 * m.columns);
  }
}

int main(int count, char **arguments) {
  REQUIRE(count == 2, "usage: kernel-test KERNELS");
  tested = qmoe_kernels_named(arguments[1]);
  scalar = qmoe_kernels_named("scalar");
  REQUIRE(tested != 0, "no kernels are called %s", arguments[1]);
  REQUIRE(tested == qmoe_kernels_best(), "%s is not the best", arguments[1]);
  printf("%s kernels against scalar ones\n", arguments[1]);
  check_coded_matrices(160);
  check_largest_sums();
  check_damaged_matrices(160);
  check_random_bytes(400);
  check_bf16_multiply(200);
  check_exponentials(100);
  check_attention(100);
  check_grids(300);
  return 0;
}
