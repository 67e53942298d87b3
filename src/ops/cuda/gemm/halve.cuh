// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/cutlass.h>

namespace prune2to4::gemm {

// Of lanes that have sums of the same things: with the lane `partner` further on or back each adds up one
// half of them, the one whose number has that bit set the upper half. They are the first ones then; whether
// they were the upper ones.
template <int kHalf>
CUTLASS_DEVICE bool halve(float2* sums, int lane, int partner) {
  const bool upper = (lane & partner) != 0;
  CUTLASS_PRAGMA_UNROLL
  for (int i = 0; i < kHalf; ++i) {
    const float2 given = upper ? sums[i] : sums[i + kHalf];
    const float2 kept = upper ? sums[i + kHalf] : sums[i];
    sums[i].x = kept.x + __shfl_xor_sync(0xFFFFFFFFU, given.x, partner);
    sums[i].y = kept.y + __shfl_xor_sync(0xFFFFFFFFU, given.y, partner);
  }
  return upper;
}

// The same where each of the two goes on with all sums.
template <int kCount>
CUTLASS_DEVICE void add_partner(float2* sums, int partner) {
  CUTLASS_PRAGMA_UNROLL
  for (int i = 0; i < kCount; ++i) {
    sums[i].x += __shfl_xor_sync(0xFFFFFFFFU, sums[i].x, partner);
    sums[i].y += __shfl_xor_sync(0xFFFFFFFFU, sums[i].y, partner);
  }
}

}  // namespace prune2to4::gemm
