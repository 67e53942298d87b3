// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/philox.cuh"
#include "cuda/kernels/row_shape.cuh"

namespace prune2to4::kernels {
namespace {

constexpr int kSums = 3;  // weight, bias, x

// What one thread holds of a row.
template <typename T, int kVectors>
struct Slice {
  Vector<T> dy[kVectors];
  Vector<T> out[kVectors];
  float mean;
  float rstd;
};

template <typename T, typename Shape>
__device__ void load_slice(const BackwardArguments& arguments, int64_t row, int thread,
                           Slice<T, Shape::kVectorsOfThread>& slice) {
  if (row >= arguments.matrix.rows) return;
  const int64_t first = row * arguments.matrix.width;
#pragma unroll
  for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
    const int column = (thread + i * Shape::kThreads) * kVectorWidth;
    if (column >= arguments.matrix.width) continue;
    slice.dy[i] = load(static_cast<const T*>(arguments.dy) + first + column);
    slice.out[i] = load(static_cast<const T*>(arguments.out) + first + column);
  }
  slice.mean = arguments.mean[row];
  slice.rstd = arguments.rstd[row];
}

// The sums of a block's groups of threads, added up into row blockIdx.x of each part of the partial sums.
template <typename Shape>
__device__ void write_partials(const BackwardArguments& arguments, int thread,
                               const float (&sums)[kSums][Shape::kVectorsOfThread][kVectorWidth]) {
  constexpr int kCapacity = Shape::kVectorsOfThread * Shape::kThreads * kVectorWidth;
  const int width = arguments.matrix.width;
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
    float* to = arguments.partial_sums + (int64_t{gridDim.x} * s + blockIdx.x) * width;
    if constexpr (Shape::kRowsOfBlock == 1) {
#pragma unroll
      for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
        const int column = (thread + i * Shape::kThreads) * kVectorWidth;
        if (column < width) store(to + column, sums[s][i]);
      }
    } else {
      __shared__ __align__(16) float of_groups[Shape::kRowsOfBlock][kCapacity];
      __syncthreads();
#pragma unroll
      for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
        const int column = (thread + i * Shape::kThreads) * kVectorWidth;
        store(&of_groups[threadIdx.x / Shape::kThreads][column], sums[s][i]);
      }
      __syncthreads();
      for (int column = static_cast<int>(threadIdx.x); column < width; column += Shape::kBlockThreads) {
        float sum = 0.0F;
        for (int group = 0; group < Shape::kRowsOfBlock; ++group) sum += of_groups[group][column];
        to[column] = sum;
      }
    }
  }
}

// With g = dy * weight and n = (out - mean) * rstd: dout = rstd * (g - mean(g) - n * mean(g * n)).
template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kBlockThreads, Shape::kBackwardBlocks)
    backward(BackwardArguments arguments) {
  constexpr int kVectors = Shape::kVectorsOfThread;
  const int thread = static_cast<int>(threadIdx.x) % Shape::kThreads;
  const int width = arguments.matrix.width;
  const bool drops = arguments.dropout.dropped != 0;
  const Seed seed =
      drops ? Seed{static_cast<uint64_t>(arguments.rng[0]), static_cast<uint64_t>(arguments.rng[1])} : Seed{};
  const int64_t step = int64_t{gridDim.x} * Shape::kRowsOfBlock;
  int64_t row = int64_t{blockIdx.x} * Shape::kRowsOfBlock + threadIdx.x / Shape::kThreads;
  float sums[kSums][kVectors][kVectorWidth] = {};
  Slice<T, kVectors> slice;
  load_slice<T, Shape>(arguments, row, thread, slice);
  for (; row < arguments.matrix.rows; row += step) {
    float g[kVectors][kVectorWidth];
    float n[kVectors][kVectorWidth];
    float2 means = make_float2(0.0F, 0.0F);
    const float rstd = slice.rstd;
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int column = (thread + i * Shape::kThreads) * kVectorWidth;
      if (column >= width) continue;
      float weight[kVectorWidth];
      load(arguments.weight + column, weight);
      slice.dy[i].to(g[i]);
      slice.out[i].to(n[i]);
#pragma unroll
      for (int k = 0; k < kVectorWidth; ++k) {
        n[i][k] = (n[i][k] - slice.mean) * rstd;
        sums[0][i][k] += g[i][k] * n[i][k];
        sums[1][i][k] += g[i][k];
        g[i][k] *= weight[k];
        means.x += g[i][k];
        means.y += g[i][k] * n[i][k];
      }
    }
    load_slice<T, Shape>(arguments, row + step, thread, slice);  // while the sums are made
    means = group_sum<Shape::kWarpsOfRow>(means);
    const float offset = -rstd * means.x / static_cast<float>(width);
    const float slope = -rstd * means.y / static_cast<float>(width);
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const int column = (thread + i * Shape::kThreads) * kVectorWidth;
      if (column >= width) continue;
      float gradient[kVectorWidth];
#pragma unroll
      for (int k = 0; k < kVectorWidth; ++k) gradient[k] = rstd * g[i][k] + (slope * n[i][k] + offset);
      Vector<T> rounded;
      rounded.from(gradient);
      store(static_cast<T*>(arguments.dresidual) + row * width + column, rounded);
      if (drops) {
        drop(gradient, arguments.dropout, seed, (row * width + column) / kVectorWidth);
        rounded.from(gradient);
        store(static_cast<T*>(arguments.dx) + row * width + column, rounded);
      }
      rounded.to(gradient);
#pragma unroll
      for (int k = 0; k < kVectorWidth; ++k) sums[2][i][k] += gradient[k];
    }
  }
  write_partials<Shape>(arguments, thread, sums);
}

template <typename T>
cudaError_t launch(const BackwardArguments& arguments, int multiprocessors, cudaStream_t stream) {
  const int blocks = backward_partials(arguments.matrix, multiprocessors);
  const cudaError_t error = with_row_shape(arguments.matrix.width, [&](auto shape) {
    using Shape = decltype(shape);
    backward<T, Shape><<<static_cast<unsigned>(blocks), Shape::kBlockThreads, 0, stream>>>(arguments);
    return cudaGetLastError();
  });
  if (error != cudaSuccess) return error;
  return reduce_partials(arguments.partial_sums, kSums, blocks, arguments.matrix.width, arguments.sums,
                         stream);
}

}  // namespace

int backward_partials(const Matrix& matrix, int multiprocessors) {
  return with_row_shape(matrix.width, [&](auto shape) {
    using Shape = decltype(shape);
    return blocks_for(matrix.rows, Shape::kRowsOfBlock, multiprocessors * Shape::kBackwardBlocks);
  });
}

cudaError_t dropout_add_norm_backward(const BackwardArguments& arguments, int multiprocessors,
                                      cudaStream_t stream) {
  return arguments.matrix.type == Type::kHalf ? launch<__half>(arguments, multiprocessors, stream)
                                              : launch<__nv_bfloat16>(arguments, multiprocessors, stream);
}

}  // namespace prune2to4::kernels
