// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernels/kernels.h"
#include "cuda/kernels/vector.cuh"

namespace prune2to4::kernels {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kLanes;
constexpr int kBlocksOfMultiprocessor = 8;
constexpr int kQuad = 4;  // elements of 16 bytes

__device__ inline float square(float4 v) { return v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w; }

// Where a quad lies astride the end of the mask, or of the values.
__device__ float mask_and_square(const MaskedNormArguments& arguments, int64_t first) {
  float sum = 0.0F;
  for (int64_t i = first; i < first + kQuad && i < arguments.size; ++i) {
    float value = arguments.values[i];
    if (i < arguments.masked) arguments.values[i] = value = value * static_cast<float>(arguments.mask[i]);
    sum += value * value;
  }
  return sum;
}

__global__ void __launch_bounds__(kThreads, kBlocksOfMultiprocessor)
    mask_and_square_all(MaskedNormArguments arguments) {
  const int64_t step = int64_t{gridDim.x} * kThreads * kQuad;
  float sum = 0.0F;
  for (int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kQuad; i < arguments.size; i += step) {
    if (i + kQuad > arguments.size || (i < arguments.masked && i + kQuad > arguments.masked)) {
      sum += mask_and_square(arguments, i);
      continue;
    }
    float4 value = *reinterpret_cast<const float4*>(arguments.values + i);
    if (i < arguments.masked) {
      const uchar4 mask = *reinterpret_cast<const uchar4*>(arguments.mask + i);
      value = make_float4(value.x * mask.x, value.y * mask.y, value.z * mask.z, value.w * mask.w);
      *reinterpret_cast<float4*>(arguments.values + i) = value;
    }
    sum += square(value);
  }
  sum = group_sum<kWarps>(sum);
  if (threadIdx.x == 0) arguments.partial_sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    root_of_sum(const float* partial_sums, int partials, float* norm) {
  float sum = 0.0F;
  for (int i = static_cast<int>(threadIdx.x); i < partials; i += kThreads) sum += partial_sums[i];
  sum = group_sum<kWarps>(sum);
  if (threadIdx.x == 0) *norm = sqrtf(sum);
}

}  // namespace

int norm_partials(int multiprocessors) { return multiprocessors * kBlocksOfMultiprocessor; }

cudaError_t masked_norm(const MaskedNormArguments& arguments, int multiprocessors, cudaStream_t stream) {
  const int blocks = norm_partials(multiprocessors);
  mask_and_square_all<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(arguments);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) return error;
  root_of_sum<<<1, kThreads, 0, stream>>>(arguments.partial_sums, blocks, arguments.norm);
  return cudaGetLastError();
}

}  // namespace prune2to4::kernels
