// Times the products of a peer's low-bit kernels, one JSON object a line:
//   peers ROWS COLUMNS TOKENS THREADS REPETITIONS
// Built against llama.cpp's ggml, or with PEER_IK against that of ik_llama.cpp.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"
#ifndef PEER_IK
#include "ggml-cpu.h"
#endif

struct Format {
  const char *name;
  ggml_type type;
  bool ternary;
};

#ifdef PEER_IK
// ik_llama.cpp names these when built without attention, too; nothing here calls them.
extern "C" void iqk_flash_attn_noalibi() { abort(); }
extern "C" void iqk_fa_work_buffer_size() { abort(); }

static const Format formats[] = {
  {"ik_llama.cpp IQ1_S_R4", GGML_TYPE_IQ1_S_R4, false},
  {"ik_llama.cpp IQ1_BN", GGML_TYPE_IQ1_BN, true},
  {"ik_llama.cpp IQ2_BN_R4", GGML_TYPE_IQ2_BN_R4, true},
  {"ik_llama.cpp BF16", GGML_TYPE_BF16, false},
};
#else
static const Format formats[] = {
  {"ggml IQ1_S", GGML_TYPE_IQ1_S, false}, {"ggml TQ1_0", GGML_TYPE_TQ1_0, true},
  {"ggml TQ2_0", GGML_TYPE_TQ2_0, true},  {"ggml Q2_K", GGML_TYPE_Q2_K, false},
  {"ggml Q4_0", GGML_TYPE_Q4_0, false},   {"ggml BF16", GGML_TYPE_BF16, false},
};
#endif

struct Problem {
  int64_t rows, columns, tokens;
  int threads, repetitions;
  std::vector<float> x, y;
};

static double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static void stop(const char *reason) {
  fprintf(stderr, "peers: %s\n", reason);
  exit(1);
}

// Only so many rows are quantized, and repeated: what weights are does not change how long a product
// takes, and some quantizers are slow. A multiple of the rows that formats interleave.
static const int64_t distinctRows = 32;

static std::vector<float> randomWeights(const Problem &p, bool ternary) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(distinctRows * p.columns);
  for (float &w : weights) {
    w = normal(random);
    // As many zeros as qmoe's benchmark has, about: nine of ten.
    if (ternary) w = w > 1.6f ? 1 : w < -1.6f ? -1 : 0;
  }
  return weights;
}

static std::vector<char> quantize(const Problem &p, ggml_type type, const std::vector<float> &w) {
  size_t bytes = ggml_row_size(type, p.columns) * distinctRows;
  std::vector<char> matrix(bytes * (p.rows / distinctRows));
  if (type == GGML_TYPE_BF16) {
    ggml_fp32_to_bf16_row(w.data(), (ggml_bf16_t *)matrix.data(), w.size());
  } else {
    std::vector<float> importance(p.columns, 1);
#ifdef PEER_IK
    ggml_quantize_chunk(
      type, w.data(), matrix.data(), 0, distinctRows, p.columns, importance.data(), nullptr);
#else
    ggml_quantize_chunk(type, w.data(), matrix.data(), 0, distinctRows, p.columns, importance.data());
#endif
  }
  for (int64_t i = 1; i < p.rows / distinctRows; i++)
    memcpy(&matrix[i * bytes], matrix.data(), bytes);
  return matrix;
}

// Correlation of the product in `y` with that of the weights before quantization: a kernel that
// computes something else would be no peer.
static double correlation(const Problem &p, const std::vector<float> &weights) {
  double xy = 0, xx = 0, yy = 0;
  for (int64_t row = 0; row < distinctRows; row++) {
    double sum = 0, got = p.y[row];
    for (int64_t i = 0; i < p.columns; i++) sum += weights[row * p.columns + i] * p.x[i];
    xy += sum * got, xx += sum * sum, yy += got * got;
  }
  return xy / std::sqrt(xx * yy);
}

// Fewest seconds, of all repetitions, of one of `count` products which `rotation` does.
static double fastest(const Problem &p, size_t count, const std::function<void()> &rotation) {
  rotation();  // does not count
  double time = INFINITY;
  for (int i = 0; i < p.repetitions; i++) {
    double start = seconds();
    rotation();
    time = std::min(time, (seconds() - start) / count);
  }
  return time;
}

static void report(
  const Problem &p, const Format &format, const char *path, size_t bytes, double time, double like) {
  if (!(like > 0.5)) stop("a kernel's product is wrong");
  printf(
    "{\"kernel\": \"%s\", \"path\": \"%s\", \"shape\": \"%dx%d\", \"tokens\": %d, \"threads\": %d, "
    "\"rate\": %.4f, \"microseconds\": %.3f, \"correlation\": %.4f}\n",
    format.name, path, (int)p.rows, (int)p.columns, (int)p.tokens, p.threads,
    8.0 * bytes / (p.rows * p.columns), time * 1e6, like);
  fflush(stdout);
}

// One graph with a product for each matrix, as a model has many: the cost of starting a graph is
// shared out. All write the same output, which stays in the caches, as qmoe's does.
static void measureGraph(
  Problem &p, const Format &format, const char *path, ggml_backend_buffer_type_t buffers,
  bool (*supported)(ggml_tensor *)) {
  auto weights = randomWeights(p, format.ternary);
  auto matrix = quantize(p, format.type, weights);
  size_t total = (format.type == GGML_TYPE_BF16 ? 256 : 96) << 20;
  size_t count = std::max<size_t>(2, (total + matrix.size() - 1) / matrix.size());

  size_t overhead = (2 * count + 8) * ggml_tensor_overhead();
  ggml_context *stored = ggml_init({overhead, nullptr, true});
  ggml_context *work =
    ggml_init({overhead + ggml_graph_overhead_custom(2 * count, false), nullptr, true});
  std::vector<ggml_tensor *> tensors;
  for (size_t i = 0; i < count; i++)
    tensors.push_back(ggml_new_tensor_2d(stored, format.type, p.columns, p.rows));
  ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors_from_buft(stored, buffers);
  if (!buffer) stop("no memory for the matrices");

  ggml_tensor *x = ggml_new_tensor_2d(work, GGML_TYPE_F32, p.columns, p.tokens);
  x->data = p.x.data();
  ggml_cgraph *graph = ggml_new_graph_custom(work, 2 * count, false);
  for (ggml_tensor *tensor : tensors) {
    ggml_tensor *y = ggml_mul_mat(work, tensor, x);
    y->data = p.y.data();
    if (supported && !supported(y)) {
      ggml_backend_buffer_free(buffer), ggml_free(work), ggml_free(stored);
      return;
    }
    ggml_backend_tensor_set(tensor, matrix.data(), 0, matrix.size());
    ggml_build_forward_expand(graph, y);
  }
#ifdef PEER_IK
  ggml_cplan plan = ggml_graph_plan(graph, p.threads);
#else
  ggml_cplan plan = ggml_graph_plan(graph, p.threads, nullptr);
#endif
  std::vector<uint8_t> scratch(plan.work_size + 64);
  plan.work_data = scratch.data();
  double time = fastest(p, count, [&] {
    if (ggml_graph_compute(graph, &plan) != GGML_STATUS_SUCCESS) stop("a graph failed");
  });
  report(p, format, path, matrix.size(), time, correlation(p, weights));

#ifndef PEER_IK
  // The same without a graph: the rows' dot products, one after another.
  if (!supported && p.tokens == 1 && p.threads == 1) {
    const auto *traits = ggml_get_type_traits_cpu(format.type);
    const auto *input = ggml_get_type_traits_cpu(traits->vec_dot_type);
    std::vector<char> q(ggml_row_size(traits->vec_dot_type, p.columns));
    size_t stride = ggml_row_size(format.type, p.columns);
    time = fastest(p, count, [&] {
      for (ggml_tensor *tensor : tensors) {
        input->from_float(p.x.data(), q.data(), p.columns);
        for (int64_t row = 0; row < p.rows; row++)
          traits->vec_dot(
            p.columns, &p.y[row], 0, (char *)tensor->data + row * stride, 0, q.data(), 0, 1);
      }
    });
    report(p, format, "vec_dot", matrix.size(), time, correlation(p, weights));
  }
#endif
  ggml_backend_buffer_free(buffer), ggml_free(work), ggml_free(stored);
}

int main(int argc, char **argv) {
  if (argc != 6) stop("usage: peers ROWS COLUMNS TOKENS THREADS REPETITIONS");
  Problem p{atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), {}, {}};
  if (p.rows < 1 || p.rows % distinctRows || p.columns < 1 || p.columns % 256)
    stop("rows must be a multiple of 32, columns of 256");
  if (p.tokens < 1 || p.threads < 1 || p.repetitions < 1) stop("counts must be positive");
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  p.x.resize(p.columns * p.tokens);
  for (float &v : p.x) v = normal(random);
  p.y.resize(p.rows * p.tokens);
#ifndef PEER_IK
  ggml_log_set([](ggml_log_level, const char *, void *) {}, nullptr);  // a line for every matrix
#endif
  ggml_free(ggml_init({1024, nullptr, true}));  // fills ggml's tables

  for (const Format &format : formats) {
    measureGraph(p, format, "graph", ggml_backend_cpu_buffer_type(), nullptr);
#ifndef PEER_IK
    // Formats that ggml rearranges when it loads a model, for faster kernels.
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    auto extra = (ggml_backend_dev_get_extra_bufts_t)ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts");
    for (auto *buffers = extra ? extra(cpu) : nullptr; buffers && *buffers; buffers++)
      measureGraph(p, format, "repacked graph", *buffers, [](ggml_tensor *product) {
        return ggml_backend_dev_supports_op(
          ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), product);
      });
#endif
  }
}
