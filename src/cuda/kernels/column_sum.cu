// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/row_shape.cuh"

namespace prune2to4::kernels {
namespace {

constexpr int kRowsOfBlock = 8;  // one warp each, over 32 vectors of columns
constexpr int kBlockThreads = kRowsOfBlock * kLanes;
constexpr int kBlockColumns = kLanes * kVectorWidth;
constexpr int kBlocksOfMultiprocessor = 4;
constexpr int kReduceRows = 16;

// d/dx of x * P(x), P the normal distribution's: P(x) + x * p(x). P through Abramowitz and Stegun 7.1.26,
// which shares p's exponential; off by at most 2e-7.
__device__ inline float gelu_gradient(float x) {
  const float exponential = __expf(-0.5F * x * x);
  const float t = __fdividef(1.0F, 1.0F + 0.3275911F * 0.70710678F * fabsf(x));
  const float series =
      t *
      (0.127414796F + t * (-0.142248368F + t * (0.7107068705F + t * (-0.7265760135F + t * 0.5307027145F))));
  const float tail = series * exponential;  // of the distribution, beyond |x|
  return (x < 0.0F ? tail : 1.0F - tail) + x * exponential * 0.39894228F;
}

template <typename T, bool kGelu, int kRows>
__device__ void add_rows(const ColumnArguments& arguments, int64_t row, int64_t step, int column,
                         float (&sums)[kVectorWidth]) {
  const int width = arguments.matrix.width;
  Vector<T> dy[kRows];
  Vector<T> x[kGelu ? kRows : 1];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int64_t at = (row + i * step) * width + column;
    dy[i] = load(static_cast<const T*>(arguments.dy) + at);
    if constexpr (kGelu) x[i] = load(static_cast<const T*>(arguments.x) + at);
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    float values[kVectorWidth];
    dy[i].to(values);
    if constexpr (kGelu) {
      float inputs[kVectorWidth];
      x[i].to(inputs);
#pragma unroll
      for (int k = 0; k < kVectorWidth; ++k) values[k] *= gelu_gradient(inputs[k]);
      Vector<T> rounded;
      rounded.from(values);
      rounded.to(values);
      store(static_cast<T*>(arguments.dx) + (row + i * step) * width + column, rounded);
    }
#pragma unroll
    for (int k = 0; k < kVectorWidth; ++k) sums[k] += values[k];
  }
}

template <typename T, bool kGelu>
__global__ void __launch_bounds__(kBlockThreads, kBlocksOfMultiprocessor)
    sum_columns(ColumnArguments arguments) {
  constexpr int kRows = kGelu ? 2 : 4;
  const int width = arguments.matrix.width;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int warp = static_cast<int>(threadIdx.x) / kLanes;
  const int first = static_cast<int>(blockIdx.x) * kBlockColumns;
  const int column = first + lane * kVectorWidth;
  float sums[kVectorWidth] = {};
  if (column < width) {
    const int64_t step = int64_t{gridDim.y} * kRowsOfBlock;
    int64_t row = int64_t{blockIdx.y} * kRowsOfBlock + warp;
    for (; row + (kRows - 1) * step < arguments.matrix.rows; row += kRows * step)
      add_rows<T, kGelu, kRows>(arguments, row, step, column, sums);
    for (; row < arguments.matrix.rows; row += step)
      add_rows<T, kGelu, 1>(arguments, row, step, column, sums);
  }
  __shared__ __align__(16) float of_warps[kRowsOfBlock][kBlockColumns];
  store(&of_warps[warp][lane * kVectorWidth], sums);
  __syncthreads();
  static_assert(kBlockThreads == kBlockColumns);
  const int mine = static_cast<int>(threadIdx.x);
  if (first + mine >= width) return;
  float sum = 0.0F;
  for (int i = 0; i < kRowsOfBlock; ++i) sum += of_warps[i][mine];
  arguments.partial_sums[int64_t{blockIdx.y} * width + first + mine] = sum;
}

struct Targets {
  float* sums[3];
};

__global__ void __launch_bounds__(kReduceRows* kLanes)
    reduce(const float* partial_sums, int partials, int width, Targets targets) {
  const int lane = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(threadIdx.y);
  const int column = static_cast<int>(blockIdx.x) * kLanes + lane;
  const float* from = partial_sums + int64_t{blockIdx.y} * partials * width + column;
  float sum = 0.0F;
  if (column < width) {
#pragma unroll 4
    for (int row = first; row < partials; row += kReduceRows) sum += from[int64_t{row} * width];
  }
  __shared__ float of_rows[kReduceRows][kLanes];
  of_rows[first][lane] = sum;
  __syncthreads();
  if (first != 0 || column >= width) return;
  for (int i = 1; i < kReduceRows; ++i) sum += of_rows[i][lane];
  targets.sums[blockIdx.y][column] = sum;
}

template <typename T>
cudaError_t launch(const ColumnArguments& arguments, int multiprocessors, cudaStream_t stream) {
  const int partials = column_partials(arguments.matrix, multiprocessors);
  const dim3 blocks(static_cast<unsigned>((arguments.matrix.width + kBlockColumns - 1) / kBlockColumns),
                    static_cast<unsigned>(partials));
  if (arguments.x == nullptr) {
    sum_columns<T, false><<<blocks, kBlockThreads, 0, stream>>>(arguments);
  } else {
    sum_columns<T, true><<<blocks, kBlockThreads, 0, stream>>>(arguments);
  }
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) return error;
  return reduce_partials(arguments.partial_sums, 1, partials, arguments.matrix.width, &arguments.sum, stream);
}

}  // namespace

int column_partials(const Matrix& matrix, int multiprocessors) {
  const int columns = (matrix.width + kBlockColumns - 1) / kBlockColumns;
  const int most = multiprocessors * kBlocksOfMultiprocessor / columns;
  return blocks_for(matrix.rows, kRowsOfBlock, most > 0 ? most : 1);
}

cudaError_t column_sum(const ColumnArguments& arguments, int multiprocessors, cudaStream_t stream) {
  return arguments.matrix.type == Type::kHalf ? launch<__half>(arguments, multiprocessors, stream)
                                              : launch<__nv_bfloat16>(arguments, multiprocessors, stream);
}

cudaError_t reduce_partials(const float* partial_sums, int count, int partials, int width, float* const* sums,
                            cudaStream_t stream) {
  Targets targets = {};
  for (int i = 0; i < count; ++i) targets.sums[i] = sums[i];
  const dim3 blocks(static_cast<unsigned>((width + kLanes - 1) / kLanes), static_cast<unsigned>(count));
  reduce<<<blocks, dim3(kLanes, kReduceRows), 0, stream>>>(partial_sums, partials, width, targets);
  return cudaGetLastError();
}

}  // namespace prune2to4::kernels
