// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <compare>
#include <cstdint>
#include <limits>

#include "prune2to4/fused_linear.h"

namespace prune2to4 {

// What a kernel does with the product.
struct Epilogue {
  Activation activation = Activation::kNone;
  bool residual = false;
  bool norm = false;  // of what is read: see norm_linear.h

  auto operator<=>(const Epilogue&) const = default;
};

// Token counts that are timed as one: powers of two from `first` to `last`, and from `halved_from` on the
// middle between each two.
struct TokenBuckets {
  int64_t first = 256;
  int64_t halved_from = 256;
  int64_t last = std::numeric_limits<int64_t>::max();
};

// The next of `buckets`.
constexpr int64_t token_bucket(int64_t tokens, const TokenBuckets& buckets = {}) {
  int64_t bucket = buckets.first;
  while (bucket < tokens && bucket < buckets.last) {
    if (bucket >= buckets.halved_from && bucket / 2 * 3 >= tokens) return bucket / 2 * 3;
    bucket *= 2;
  }
  return bucket;
}

// What one measurement holds for: layers of one shape share it, and token counts that are near each other.
struct ProductShape {
  int device = 0;
  at::ScalarType dtype = at::kHalf;
  int64_t out = 0;
  int64_t in = 0;
  int64_t tokens = 0;  // as token_bucket() gives them
  Epilogue epilogue;
  bool sparse = true;  // 2:4 kernels are among the candidates
  int threads = 0;     // of a CPU

  auto operator<=>(const ProductShape&) const = default;
};

}  // namespace prune2to4
