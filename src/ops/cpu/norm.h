// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// norm(tile + added) of each token, both [features][stride], into `tile`. The mean goes before the squares:
// the difference of two large sums would lose what tells tokens apart.
template <typename V, size_t kUsed>
inline void norm_sums(const Norm& norm, int64_t features, int64_t stride, float* added, float* tile) {
  using F = typename V::Floats;
  const F share = V::all(1.0F / static_cast<float>(features));
  F mean[kUsed] = {};
  for (int64_t feature = 0; feature < features; ++feature) {
    const int64_t at = feature * stride;
#pragma GCC unroll 16
    for (size_t i = 0; i < kUsed; ++i) {
      const F value = V::load(added + at + i * V::kLanes) + V::load(tile + at + i * V::kLanes);
      V::store(added + at + i * V::kLanes, value);
      mean[i] += value;
    }
  }
  for (F& each : mean) each *= share;
  F squares[kUsed] = {};
  for (int64_t feature = 0; feature < features; ++feature) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kUsed; ++i) {
      const F distance = V::load(added + feature * stride + i * V::kLanes) - mean[i];
      squares[i] = V::fma(distance, distance, squares[i]);
    }
  }
  F scale[kUsed];
  for (size_t i = 0; i < kUsed; ++i) {
    scale[i] = V::all(1) / V::root(V::fma(squares[i], share, V::all(norm.epsilon)));
  }
  for (int64_t feature = 0; feature < features; ++feature) {
    const F weight = V::all(norm.weight[feature]);
    const F bias = V::all(norm.bias[feature]);
    const int64_t at = feature * stride;
#pragma GCC unroll 16
    for (size_t i = 0; i < kUsed; ++i) {
      const F normed = (V::load(added + at + i * V::kLanes) - mean[i]) * scale[i];
      V::store(tile + at + i * V::kLanes, V::fma(normed, weight, bias));
    }
  }
}

}  // namespace
}  // namespace prune2to4::cpu
