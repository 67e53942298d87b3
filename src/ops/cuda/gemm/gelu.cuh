// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_fp16.h>
#include <cutlass/array.h>

namespace prune2to4::gemm {

// gelu(x) = x P(x), P the normal distribution's, as 0.5 x (1 + tanh(x p(x^2))) with one hardware tanh. The
// coefficients are fitted to erf: off by at most 2.5e-5, where the usual tanh form is off by 4.7e-4. Beyond
// |x| = 6 the tanh is 1 in any case.
constexpr float kGelu0 = 0.79750779F;
constexpr float kGelu1 = 0.03700558F;
constexpr float kGelu2 = -0.00035150F;
constexpr float kGeluEnd = 36.0F;

__device__ inline float gelu(float x) {
  const float s = fminf(x * x, kGeluEnd);
  const float inner = x * fmaf(s, fmaf(s, kGelu2, kGelu1), kGelu0);
  float tanh;
  asm("tanh.approx.f32 %0, %1;" : "=f"(tanh) : "f"(inner));
  const float half = 0.5F * x;
  return fmaf(half, tanh, half);
}

// Two at once, in fp16: rounding is the result's in any case.
__device__ inline __half2 gelu(__half2 x) {
  const __half2 s = __hmin2(__hmul2(x, x), __float2half2_rn(kGeluEnd));
  const __half2 series =
      __hfma2(s, __hfma2(s, __float2half2_rn(kGelu2), __float2half2_rn(kGelu1)), __float2half2_rn(kGelu0));
  const __half2 inner = __hmul2(x, series);
  __half2 tanh;
  asm("tanh.approx.f16x2 %0, %1;"
      : "=r"(reinterpret_cast<unsigned&>(tanh))
      : "r"(reinterpret_cast<const unsigned&>(inner)));
  const __half2 half = __hmul2(x, __float2half2_rn(0.5F));
  return __hfma2(half, tanh, half);
}

// As CUTLASS's epilogues take them: on one fp32 number, and on an array of them.
template <typename T>
struct Gelu {
  static const bool kIsHeavy = true;
  CUTLASS_DEVICE T operator()(const T& x) const { return gelu(x); }
};

template <typename T, int kCount>
struct Gelu<cutlass::Array<T, kCount>> {
  static const bool kIsHeavy = true;
  CUTLASS_DEVICE cutlass::Array<T, kCount> operator()(const cutlass::Array<T, kCount>& x) const {
    cutlass::Array<T, kCount> y;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < kCount; ++i) y[i] = gelu(x[i]);
    return y;
  }
};

template <typename T>
struct HalfGelu : Gelu<T> {};

template <typename T, int kCount>
struct HalfGelu<cutlass::Array<T, kCount>> {
  static const bool kIsHeavy = true;
  CUTLASS_DEVICE cutlass::Array<T, kCount> operator()(const cutlass::Array<T, kCount>& x) const {
    static_assert(kCount % 2 == 0);
    cutlass::Array<T, kCount> y;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < kCount; i += 2) {
      const float2 pair = __half22float2(gelu(__floats2half2_rn(x[i], x[i + 1])));
      y[i] = pair.x;
      y[i + 1] = pair.y;
    }
    return y;
  }
};

}  // namespace prune2to4::gemm
