// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/philox.cuh"
#include "cuda/kernels/row_norm.cuh"

namespace prune2to4::kernels {
namespace {

// residual + dropout(x) of this thread's vectors, rounded, into `out`.
template <typename T, typename Shape>
__device__ void add(const ForwardArguments& arguments, int64_t row, int thread,
                    float (&out)[Shape::kVectorsOfThread][kVectorWidth]) {
  const int vectors = arguments.matrix.width / kVectorWidth;
  const int64_t first = row * arguments.matrix.width;
  Vector<T> x[Shape::kVectorsOfThread];
  Vector<T> residual[Shape::kVectorsOfThread];
#pragma unroll
  for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
    const int vector = thread + i * Shape::kThreads;
    if (vector >= vectors) continue;
    x[i] = load(static_cast<const T*>(arguments.x) + first + vector * kVectorWidth);
    residual[i] = load(static_cast<const T*>(arguments.residual) + first + vector * kVectorWidth);
  }
  const bool drops = arguments.dropout.dropped != 0;
  const Seed seed = drops ? unpack(arguments.random) : Seed{};
#pragma unroll
  for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
    const int vector = thread + i * Shape::kThreads;
    if (vector >= vectors) continue;
    float values[kVectorWidth];
    x[i].to(values);
    residual[i].to(out[i]);
    if (drops) drop(values, arguments.dropout, seed, row * vectors + vector);
    for (int k = 0; k < kVectorWidth; ++k) out[i][k] += values[k];
    Vector<T> rounded;
    rounded.from(out[i]);
    rounded.to(out[i]);
    store(static_cast<T*>(arguments.out) + first + vector * kVectorWidth, rounded);
  }
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kBlockThreads) forward(ForwardArguments arguments) {
  const int thread = static_cast<int>(threadIdx.x) % Shape::kThreads;
  const int64_t row = int64_t{blockIdx.x} * Shape::kRowsOfBlock + threadIdx.x / Shape::kThreads;
  if (row >= arguments.matrix.rows) return;  // a whole warp, and none waits for it
  const int width = arguments.matrix.width;
  float values[Shape::kVectorsOfThread][kVectorWidth];
  add<T, Shape>(arguments, row, thread, values);
  const RowStatistics statistics =
      normalise<Shape>(values, width, thread, arguments.weight, arguments.bias, arguments.epsilon);
  store_row<T, Shape>(values, width, thread, static_cast<T*>(arguments.y) + row * width);
  if (thread != 0) return;
  arguments.mean[row] = statistics.mean;
  arguments.rstd[row] = statistics.rstd;
  if (row == 0 && arguments.dropout.dropped != 0) {
    const Seed seed = unpack(arguments.random);
    arguments.rng[0] = static_cast<int64_t>(seed.seed);
    arguments.rng[1] = static_cast<int64_t>(seed.offset);
  }
}

template <typename T>
cudaError_t launch(const ForwardArguments& arguments, cudaStream_t stream) {
  return with_row_shape(arguments.matrix.width, [&](auto shape) {
    using Shape = decltype(shape);
    const int64_t blocks = (arguments.matrix.rows + Shape::kRowsOfBlock - 1) / Shape::kRowsOfBlock;
    forward<T, Shape><<<static_cast<unsigned>(blocks), Shape::kBlockThreads, 0, stream>>>(arguments);
    return cudaGetLastError();
  });
}

}  // namespace

cudaError_t dropout_add_norm(const ForwardArguments& arguments, cudaStream_t stream) {
  return arguments.matrix.type == Type::kHalf ? launch<__half>(arguments, stream)
                                              : launch<__nv_bfloat16>(arguments, stream);
}

}  // namespace prune2to4::kernels
