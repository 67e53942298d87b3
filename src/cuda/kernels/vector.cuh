// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/kernels/kernels.h"

namespace prune2to4::kernels {

constexpr int kLanes = 32;

template <typename T>
struct PairOf;
template <>
struct PairOf<__half> {
  using Pair = __half2;
};
template <>
struct PairOf<__nv_bfloat16> {
  using Pair = __nv_bfloat162;
};

__device__ inline float2 widen(__half2 pair) { return __half22float2(pair); }
__device__ inline float2 widen(__nv_bfloat162 pair) { return __bfloat1622float2(pair); }
__device__ inline void narrow(float2 from, __half2& to) { to = __float22half2_rn(from); }
__device__ inline void narrow(float2 from, __nv_bfloat162& to) { to = __float22bfloat162_rn(from); }

// Eight elements, moved as 16 bytes.
template <typename T>
struct alignas(16) Vector {
  typename PairOf<T>::Pair pairs[kVectorWidth / 2];

  __device__ void to(float (&values)[kVectorWidth]) const {
#pragma unroll
    for (int i = 0; i < kVectorWidth / 2; ++i) {
      const float2 pair = widen(pairs[i]);
      values[2 * i] = pair.x;
      values[2 * i + 1] = pair.y;
    }
  }

  // Rounds to nearest.
  __device__ void from(const float (&values)[kVectorWidth]) {
#pragma unroll
    for (int i = 0; i < kVectorWidth / 2; ++i)
      narrow(make_float2(values[2 * i], values[2 * i + 1]), pairs[i]);
  }
};

// By uint4: a Vector that is loaded under a condition comes in four pieces.
template <typename T>
__device__ inline Vector<T> load(const T* from) {
  const uint4 loaded = *reinterpret_cast<const uint4*>(from);
  return reinterpret_cast<const Vector<T>&>(loaded);
}

template <typename T>
__device__ inline void store(T* to, const Vector<T>& vector) {
  *reinterpret_cast<uint4*>(to) = reinterpret_cast<const uint4&>(vector);
}

__device__ inline void load(const float* from, float (&values)[kVectorWidth]) {
  const float4 low = *reinterpret_cast<const float4*>(from);
  const float4 high = *reinterpret_cast<const float4*>(from + 4);
  values[0] = low.x, values[1] = low.y, values[2] = low.z, values[3] = low.w;
  values[4] = high.x, values[5] = high.y, values[6] = high.z, values[7] = high.w;
}

__device__ inline void store(float* to, const float (&values)[kVectorWidth]) {
  *reinterpret_cast<float4*>(to) = make_float4(values[0], values[1], values[2], values[3]);
  *reinterpret_cast<float4*>(to + 4) = make_float4(values[4], values[5], values[6], values[7]);
}

// The sum over kWarps warps, in all their threads; the same order every time. All threads of the block take
// part when kWarps > 1.
template <int kWarps>
__device__ inline float2 group_sum(float2 value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value.x += __shfl_xor_sync(~0U, value.x, distance);
    value.y += __shfl_xor_sync(~0U, value.y, distance);
  }
  if constexpr (kWarps > 1) {
    __shared__ float2 of_warps[kWarps];
    __syncthreads();  // the previous sum has been read
    if (threadIdx.x % kLanes == 0) of_warps[threadIdx.x / kLanes] = value;
    __syncthreads();
    value = make_float2(0.0F, 0.0F);
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      value.x += of_warps[warp].x;
      value.y += of_warps[warp].y;
    }
  }
  return value;
}

template <int kWarps>
__device__ inline float group_sum(float value) {
  return group_sum<kWarps>(make_float2(value, 0.0F)).x;
}

}  // namespace prune2to4::kernels
