// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernels/early_launch.cuh"
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/row_norm.cuh"

namespace prune2to4::kernels {
namespace {

// What is added up to one row; the second and third may be missing.
template <typename T>
struct Summands {
  const T* rows[3];
};

template <typename T>
__device__ Summands<T> summands(const SumNormArguments& arguments, int64_t row) {
  const int64_t first = row * arguments.matrix.width;
  const auto* residual = static_cast<const T*>(arguments.residual);
  return {{static_cast<const T*>(arguments.x) + first, residual == nullptr ? nullptr : residual + first,
           nullptr}};
}

template <typename T>
__device__ Summands<T> summands(const EmbedNormArguments& arguments, int64_t row) {
  const int64_t width = arguments.matrix.width;
  const auto* segments = static_cast<const T*>(arguments.segments);
  return {{static_cast<const T*>(arguments.words) + arguments.ids[row] * width,
           static_cast<const T*>(arguments.positions) + arguments.places[row] * width,
           segments == nullptr ? nullptr : segments + arguments.types[row] * width}};
}

template <typename T, typename Shape, typename Arguments>
__device__ void put(const Arguments& arguments, int64_t row, int thread, const RowValues<Shape>& values) {
  const int width = arguments.matrix.width;
  store_row<T, Shape>(values, width, thread, static_cast<T*>(arguments.y) + row * width);
}

template <typename T, typename Shape>
__device__ void put(const SpanLogitsArguments& arguments, int64_t row, int thread,
                    const RowValues<Shape>& values) {
  const int width = arguments.matrix.width;
  const T* const head = static_cast<const T*>(arguments.head);
  float2 logits{0.0F, 0.0F};
#pragma unroll
  for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
    const int vector = thread + i * Shape::kThreads;
    if (vector >= width / kVectorWidth) continue;
    float start[kVectorWidth];
    float end[kVectorWidth];
    load(head + vector * kVectorWidth).to(start);
    load(head + width + vector * kVectorWidth).to(end);
    for (int k = 0; k < kVectorWidth; ++k) {
      logits.x = fmaf(values[i][k], start[k], logits.x);
      logits.y = fmaf(values[i][k], end[k], logits.y);
    }
  }
  logits = group_sum<Shape::kWarpsOfRow>(logits);
  if (thread != 0) return;
  const T* const bias = static_cast<const T*>(arguments.head_bias);
  arguments.logits[arguments.slots[row]] = {logits.x + static_cast<float>(bias[0]),
                                            logits.y + static_cast<float>(bias[1])};
}

template <typename T, typename Shape, typename Arguments>
__global__ void __launch_bounds__(Shape::kBlockThreads) sum_norm(Arguments arguments) {
  constexpr int kVectors = Shape::kVectorsOfThread;
  const int thread = static_cast<int>(threadIdx.x) % Shape::kThreads;
  const int64_t row = int64_t{blockIdx.x} * Shape::kRowsOfBlock + threadIdx.x / Shape::kThreads;
  if (row >= arguments.matrix.rows) return;  // a whole warp, and none waits for it
  const int width = arguments.matrix.width;
  wait_for_results();
  const Summands<T> from = summands<T>(arguments, row);
  Vector<T> parts[kVectors][3];
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int vector = thread + i * Shape::kThreads;
    if (vector >= width / kVectorWidth) continue;
    for (int part = 0; part < 3; ++part)
      if (from.rows[part] != nullptr) parts[i][part] = load(from.rows[part] + vector * kVectorWidth);
  }
  float values[kVectors][kVectorWidth] = {};
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (thread + i * Shape::kThreads >= width / kVectorWidth) continue;
    for (int part = 0; part < 3; ++part) {
      if (from.rows[part] == nullptr) continue;
      float summand[kVectorWidth];
      parts[i][part].to(summand);
      for (int k = 0; k < kVectorWidth; ++k) values[i][k] += summand[k];
    }
  }
  normalise<Shape>(values, width, thread, arguments.weight, arguments.bias, arguments.epsilon);
  put<T, Shape>(arguments, row, thread, values);
}

template <typename T, typename Arguments>
cudaError_t launch(const Arguments& arguments, cudaStream_t stream) {
  return with_row_shape(arguments.matrix.width, [&](auto shape) {
    using Shape = decltype(shape);
    const int64_t blocks = (arguments.matrix.rows + Shape::kRowsOfBlock - 1) / Shape::kRowsOfBlock;
    return launch_early(sum_norm<T, Shape, Arguments>, static_cast<unsigned>(blocks), Shape::kBlockThreads,
                        stream, arguments);
  });
}

template <typename Arguments>
cudaError_t launch_for_type(const Arguments& arguments, cudaStream_t stream) {
  return arguments.matrix.type == Type::kHalf ? launch<__half>(arguments, stream)
                                              : launch<__nv_bfloat16>(arguments, stream);
}

}  // namespace

cudaError_t add_norm(const AddNormArguments& arguments, cudaStream_t stream) {
  return launch_for_type(arguments, stream);
}

cudaError_t embed_norm(const EmbedNormArguments& arguments, cudaStream_t stream) {
  return launch_for_type(arguments, stream);
}

cudaError_t span_logits(const SpanLogitsArguments& arguments, cudaStream_t stream) {
  return launch_for_type(arguments, stream);
}

}  // namespace prune2to4::kernels
