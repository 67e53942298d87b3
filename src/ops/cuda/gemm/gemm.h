// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <driver_types.h>
#include <vector_types.h>

#include <cstddef>
#include <cstdint>

// 2:4 products by CUTLASS and by kernels of our own on GPUs of compute capability 9.0, without Torch. The
// weight W [out, in] is the structured operand; activations and result are row-major, [tokens, in] and
// [tokens, out], which CUTLASS sees as column-major [in, tokens] and [out, tokens]: nothing is transposed.
// All pointers are 16-byte aligned. Programmatic dependent launch: a kernel may start while the one before it
// ends, and waits for that one's results before it reads or writes any.
namespace prune2to4::gemm {

enum class Type { kHalf, kBFloat16 };

// What kernels with sums ask of a result's width to be a multiple of.
constexpr int kSummedColumns = 128;

// What makes a row's values normalised: value * scale + shift. Kernels read up to kReadTogether of them, also
// beyond the last row.
struct RowNorm {
  float scale;
  float shift;
};
constexpr int kReadTogether = 192;

// Of an output.
struct OutTerm {
  float factor;
  float bias;
};

// d = activation(x W^T + bias). The values' and metadata's layout is one for every kernel that takes them.
struct Product {
  int out = 0;  // a multiple of 8
  int in = 0;   // a multiple of 32
  int tokens = 0;
  const void* values = nullptr;
  const void* metadata = nullptr;
  const void* fragments = nullptr;  // of kernels whose weight stays in registers
  const void* x = nullptr;
  const void* bias = nullptr;  // [out]; null: none
  void* d = nullptr;
  void* workspace = nullptr;

  // For the kernels with norms, without `bias`.
  const RowNorm* norms = nullptr;  // of x, or of the residual; null: the rows are normalised already
  const OutTerm* terms = nullptr;  // [out]
  const void* residual = nullptr;  // [tokens, out]
  // Written: for each row of d and each group of Kernel::summed_columns its values' sum and sum of squares,
  // [out / summed_columns][tokens].
  float2* sums = nullptr;
};

struct Gpu {
  int device = 0;
  int multiprocessors = 0;
};

struct Kernel {
  const char* name;  // tile (out x tokens x in), schedule and cluster
  bool (*takes)(int out, int in);
  size_t (*workspace_bytes)(const Product&, const Gpu&);
  // cudaErrorNotSupported: the shape does not fit this kernel.
  cudaError_t (*run)(const Product&, const Gpu&, cudaStream_t);
  int summed_columns;
};

struct Kernels {
  const Kernel* first;
  int count;
};
Kernels half_bias();
Kernels half_gelu();
Kernels bfloat16_bias();
Kernels bfloat16_gelu();
// d = norm(x) W^T + bias, factor: the sum of the weight's row. `out` is a multiple of kSummedColumns here and
// in the following, and `in` of 128; a kernel may need 384 of them.
Kernels half_norm();
Kernels bfloat16_norm();
// d = gelu(norm(x) W^T + bias)
Kernels half_norm_gelu();
Kernels bfloat16_norm_gelu();
// d = x W^T + bias + norm(residual) * factor, and its sums.
Kernels half_residual_norm();
Kernels bfloat16_residual_norm();

// The same by kernels whose weight stays in registers (stationary/), for weights of some shapes.
enum class Finish { kBias, kGelu, kNorm, kNormGelu, kResidualNorm };
Kernels half_stationary(Finish finish);
Kernels bfloat16_stationary(Finish finish);

// Of rows of `width` values, by the sums of so many parts: LayerNorm without weight and bias.
cudaError_t row_norms(const float2* sums, int parts, int width, int tokens, float epsilon, RowNorm* norms,
                      cudaStream_t stream);

// Of a weight [out, in].
struct CompressedBytes {
  size_t values;
  size_t metadata;
  size_t workspace;  // while it is compressed
};
CompressedBytes compressed_bytes(int out, int in, const Gpu& gpu);
// `weight` is dense, row-major, 16-bit, with at most two non-zeros in each group of four.
cudaError_t compress(const void* weight, int out, int in, void* values, void* metadata, void* workspace,
                     const Gpu& gpu, cudaStream_t stream);

}  // namespace prune2to4::gemm
