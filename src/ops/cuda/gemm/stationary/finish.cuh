// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "ops/cuda/gemm/gelu.cuh"
#include "ops/cuda/gemm/halve.cuh"
#include "ops/cuda/gemm/stationary/config.cuh"

// Of a product to the result. A thread has pairs of neighbouring tokens of one output.
namespace prune2to4::gemm::stationary {

CUTE_DEVICE __half2 rounded(float2 x, cutlass::half_t /*type*/) { return __float22half2_rn(x); }
CUTE_DEVICE __nv_bfloat162 rounded(float2 x, cutlass::bfloat16_t /*type*/) {
  return __float22bfloat162_rn(x);
}
CUTE_DEVICE float2 widened(uint32_t pair, cutlass::half_t /*type*/) {
  return __half22float2(reinterpret_cast<const __half2&>(pair));
}
CUTE_DEVICE float2 widened(uint32_t pair, cutlass::bfloat16_t /*type*/) {
  return __bfloat1622float2(reinterpret_cast<const __nv_bfloat162&>(pair));
}

// gelu, rounded: fp16 is rounded first, and computed in pairs.
CUTE_DEVICE __half2 rounded_gelu(float2 x, cutlass::half_t type) { return gelu(rounded(x, type)); }
CUTE_DEVICE __nv_bfloat162 rounded_gelu(float2 x, cutlass::bfloat16_t type) {
  return rounded(float2{gelu(x.x), gelu(x.y)}, type);
}

// The terms of a thread's two outputs of a panel, `first` and 8 further on.
template <typename C>
struct OutTerms {
  float factors[2];
  float biases[2];

  CUTE_DEVICE void load(const Product& product, int first) {
    CUTE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int out = first + 8 * i;
      if constexpr (C::kNorms) {
        factors[i] = product.terms[out].factor;
        biases[i] = product.terms[out].bias;
      } else {
        const auto* const bias = static_cast<const typename C::Element*>(product.bias);
        biases[i] = bias == nullptr ? 0.0F : static_cast<float>(bias[out]);
      }
    }
  }
};

// Of two tokens, as they lie in memory.
struct alignas(16) NormPair {
  RowNorm of[2];
};

template <typename C>
CUTE_DEVICE float2 finished(float2 product, int i, const OutTerms<C>& terms, const NormPair& norms,
                            uint32_t residual) {
  const float bias = terms.biases[i];
  if constexpr (!C::kNorms) return {product.x + bias, product.y + bias};
  const float factor = terms.factors[i];
  const auto& [first, second] = norms.of;
  if constexpr (C::kResidual) {
    const float2 wide = widened(residual, typename C::Element{});
    return {fmaf(factor, fmaf(first.scale, wide.x, first.shift), product.x + bias),
            fmaf(factor, fmaf(second.scale, wide.y, second.shift), product.y + bias)};
  }
  return {fmaf(first.scale, product.x, fmaf(first.shift, factor, bias)),
          fmaf(second.scale, product.y, fmaf(second.shift, factor, bias))};
}

template <typename C>
CUTE_DEVICE uint32_t stored(float2 result) {
  const typename C::Element type{};
  if constexpr (C::kGelu) {
    const auto pair = rounded_gelu(result, type);
    return reinterpret_cast<const uint32_t&>(pair);
  }
  const auto pair = rounded(result, type);
  return reinterpret_cast<const uint32_t&>(pair);
}

// Sums and sums of squares over a thread's outputs of the tokens of a pass: 2 of each 8.
struct TokenSums {
  float2 of[kPassTokens / 4] = {};

  CUTE_DEVICE void add(int i, float value) {
    of[i].x += value;
    of[i].y = fmaf(value, value, of[i].y);
  }
  // Over the warp's outputs. Eight lanes have the same tokens; each ends with one of them, whose place in the
  // pass it tells.
  CUTE_DEVICE float2 over_warp(int lane, int& token) {
    static_assert(kPassTokens == 32);
    halve<4>(of, lane, 16);
    halve<2>(of, lane, 8);
    halve<1>(of, lane, 4);
    token = (lane >> 4) * 16 + (lane >> 3 & 1) * 8 + lane % 4 * 2 + (lane >> 2 & 1);
    return of[0];
  }
};

}  // namespace prune2to4::gemm::stationary
