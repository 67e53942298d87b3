// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <driver_types.h>
#include <vector_types.h>

#include <cstdint>

// The kernels without Torch. Every matrix is [rows, width], row-major, 16-byte aligned, of the 16-bit type
// `type`; statistics, weights and sums are fp32. Width is a multiple of 8, at most kMaxWidth. Each function
// queues its work on `stream` and returns what the launch gave.
namespace prune2to4::kernels {

constexpr int kMaxWidth = 8192;
constexpr int kVectorWidth = 8;  // elements of 16 bytes

enum class Type { kHalf, kBFloat16 };

struct Matrix {
  Type type = Type::kHalf;
  int64_t rows = 0;
  int width = 0;
};

// at::PhiloxCudaState: while work is captured, seed and offset are read on the GPU, and `offset` counts from
// there.
struct RandomState {
  const int64_t* seed_pointer = nullptr;
  const int64_t* offset_pointer = nullptr;
  uint64_t seed = 0;
  uint64_t offset = 0;
};
// What one call takes from the generator's offset.
constexpr uint64_t kRandomNumbers = 4;

// Of 65536 random numbers, how many drop an element.
struct Dropout {
  uint32_t dropped = 0;
  float scale = 1.0F;  // of what is kept
};

struct ForwardArguments {
  Matrix matrix;
  const void* x = nullptr;
  const void* residual = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  float epsilon = 0.0F;
  Dropout dropout;
  RandomState random;
  void* y = nullptr;
  void* out = nullptr;
  float* mean = nullptr;
  float* rstd = nullptr;
  int64_t* rng = nullptr;  // [2], written when there is dropout
};

struct BackwardArguments {
  Matrix matrix;
  const void* dy = nullptr;
  const void* out = nullptr;
  const float* mean = nullptr;
  const float* rstd = nullptr;
  const float* weight = nullptr;
  Dropout dropout;
  const int64_t* rng = nullptr;
  void* dx = nullptr;  // not written without dropout: it is dresidual then
  void* dresidual = nullptr;
  float* partial_sums = nullptr;  // [3, backward_partials(), width]
  float* sums[3] = {};            // of weight, bias and x, each [width]
};

struct NormArguments {
  Matrix matrix;
  const float* weight = nullptr;
  const float* bias = nullptr;
  float epsilon = 0.0F;
};

// The norm of x + residual; null: of x.
struct SumNormArguments : NormArguments {
  const void* x = nullptr;
  const void* residual = nullptr;
};

struct AddNormArguments : SumNormArguments {
  void* y = nullptr;
};

// logits[slots[t]] = head * that norm of row t + head_bias, not rounded.
struct SpanLogitsArguments : SumNormArguments {
  const void* head = nullptr;       // [2, width]
  const void* head_bias = nullptr;  // [2]
  const int64_t* slots = nullptr;   // [rows]
  float2* logits = nullptr;
};

// y[t] = the norm of words[ids[t]] + positions[places[t]] + segments[types[t]]; all tables of the matrix's
// type and width.
struct EmbedNormArguments : NormArguments {
  const void* words = nullptr;
  const void* positions = nullptr;
  const void* segments = nullptr;  // null: none
  const int32_t* ids = nullptr;    // [rows]
  const int32_t* places = nullptr;
  const int32_t* types = nullptr;
  void* y = nullptr;
};

struct ColumnArguments {
  Matrix matrix;
  const void* dy = nullptr;  // the matrix to sum, where there is no x
  const void* x = nullptr;
  void* dx = nullptr;
  float* partial_sums = nullptr;  // [column_partials(), width]
  float* sum = nullptr;           // [width]
};

struct MaskedNormArguments {
  float* values = nullptr;  // [size], 16-byte aligned
  int64_t size = 0;
  const uint8_t* mask = nullptr;  // [masked], of the first values; 4-byte aligned
  int64_t masked = 0;
  float* partial_sums = nullptr;  // [norm_partials()]
  float* norm = nullptr;          // [1]
};

struct AdamWArguments {
  float* values = nullptr;  // [size], as all four; 16-byte aligned
  const float* gradients = nullptr;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
  int64_t size = 0;
  int64_t decayed = 0;  // of the first values
  const float* rate = nullptr;
  const float* steps = nullptr;  // this one included
  const float* divisor = nullptr;
  const float* skipped = nullptr;  // not 0: nothing is done
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
};

// How many rows of partial sums are made on a GPU of so many multiprocessors.
int backward_partials(const Matrix& matrix, int multiprocessors);
int column_partials(const Matrix& matrix, int multiprocessors);
int norm_partials(int multiprocessors);

cudaError_t dropout_add_norm(const ForwardArguments& arguments, cudaStream_t stream);
cudaError_t dropout_add_norm_backward(const BackwardArguments& arguments, int multiprocessors,
                                      cudaStream_t stream);
cudaError_t add_norm(const AddNormArguments& arguments, cudaStream_t stream);
cudaError_t embed_norm(const EmbedNormArguments& arguments, cudaStream_t stream);
cudaError_t span_logits(const SpanLogitsArguments& arguments, cudaStream_t stream);
// Column sums of dx = dy * gelu'(x); of dy itself where x is null.
cudaError_t column_sum(const ColumnArguments& arguments, int multiprocessors, cudaStream_t stream);

// values[i] *= mask[i] where there is a mask, and the L2 norm of all values, summed in a fixed order.
cudaError_t masked_norm(const MaskedNormArguments& arguments, int multiprocessors, cudaStream_t stream);

// One step of AdamW (Loshchilov and Hutter, 2019), as torch.optim.AdamW takes it, on gradients / divisor.
cudaError_t adamw(const AdamWArguments& arguments, cudaStream_t stream);

// sums[i][column] = the sum over `partials` of partial_sums[i, :, column], in a fixed order, for `count` <= 3
// sums.
cudaError_t reduce_partials(const float* partial_sums, int count, int partials, int width, float* const* sums,
                            cudaStream_t stream);

}  // namespace prune2to4::kernels
