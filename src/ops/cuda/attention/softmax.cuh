// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/numeric_conversion.h>
#include <cute/tensor.hpp>

namespace prune2to4::attention {

constexpr float kLog2E = 1.4426950408889634F;

CUTE_DEVICE float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

CUTE_DEVICE float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

template <typename Element>
CUTE_DEVICE uint32_t pair(float low, float high) {
  cutlass::Array<float, 2> both;
  both[0] = low;
  both[1] = high;
  const auto rounded = cutlass::NumericArrayConverter<Element, float, 2>::convert(both);
  return reinterpret_cast<const uint32_t&>(rounded);
}

// The softmax, so far, of the two rows of which a thread has elements: of a tensor-core result, elements i
// with i / 2 % 2 = 0 and 1.
struct Softmax {
  float scale;  // times log2(e)
  float most[2];
  float sum[2];  // of this thread's columns

  CUTE_DEVICE explicit Softmax(float of_scores)
      : scale(of_scores * kLog2E), most{-INFINITY, -INFINITY}, sum{0.0F, 0.0F} {}

  // Scores become probabilities but for the division by the sum.
  template <typename Scores>
  CUTE_DEVICE void begin(Scores& scores) {
    CUTE_UNROLL
    for (int row = 0; row < 2; ++row) {
      most[row] = highest(scores, row);
      sum[row] = exponentials(scores, row);
    }
  }

  // The same for further keys. True: what was summed with earlier ones is to be multiplied by `rescale`.
  template <typename Scores>
  CUTE_DEVICE bool add(Scores& scores, float (&rescale)[2]) {
    CUTE_UNROLL
    for (int row = 0; row < 2; ++row) {
      const float top = fmaxf(most[row], highest(scores, row));
      // Up to 2^8 above the highest so far, sums are as exact; most steps need not rescale then.
      constexpr float kSlack = 8.0F;
      const float rise = (top - most[row]) * scale;
      const bool much = rise > kSlack;
      rescale[row] = much ? exp2_of(-rise) : 1.0F;
      most[row] = much ? top : most[row];
      sum[row] = sum[row] * rescale[row] + exponentials(scores, row);
    }
    return __any_sync(~0U, rescale[0] != 1.0F || rescale[1] != 1.0F);
  }

  CUTE_DEVICE float total(int row) const {
    float all = sum[row];
    all += __shfl_xor_sync(~0U, all, 1);
    return all + __shfl_xor_sync(~0U, all, 2);
  }

 private:
  template <typename Scores>
  CUTE_DEVICE static float highest(const Scores& scores, int row) {
    float top[2] = {scores(2 * row), scores(2 * row + 1)};
    CUTE_UNROLL
    for (int i = 2 * row + 4; i < cute::size(scores); i += 4) {
      top[0] = fmaxf(top[0], scores(i));
      top[1] = fmaxf(top[1], scores(i + 1));
    }
    float both = fmaxf(top[0], top[1]);
    both = fmaxf(both, __shfl_xor_sync(~0U, both, 1));
    return fmaxf(both, __shfl_xor_sync(~0U, both, 2));
  }

  // Of scores less the highest; their sum.
  template <typename Scores>
  CUTE_DEVICE float exponentials(Scores& scores, int row) const {
    const float offset = most[row] * scale;
    float of[2] = {0.0F, 0.0F};
    CUTE_UNROLL
    for (int i = 2 * row; i < cute::size(scores); i += 4) {
      scores(i) = exp2_of(scores(i) * scale - offset);
      scores(i + 1) = exp2_of(scores(i + 1) * scale - offset);
      of[0] += scores(i);
      of[1] += scores(i + 1);
    }
    return of[0] + of[1];
  }
};

}  // namespace prune2to4::attention
