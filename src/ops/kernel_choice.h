// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "prune2to4/api.h"
#include "prune2to4/fused_linear.h"

namespace prune2to4 {

// What one measurement holds for: layers of one shape share it, and token counts that are near each other.
struct ProductShape {
  int device = 0;
  at::ScalarType dtype = at::kHalf;
  int64_t out = 0;
  int64_t in = 0;
  int64_t tokens = 0;  // as token_bucket() gives them
  Activation activation = Activation::kNone;

  auto operator<=>(const ProductShape&) const = default;
};

// The next of 256, 384, 512, 768, 1024, 1536, ...
PRUNE2TO4_API int64_t token_bucket(int64_t tokens);

// The milliseconds of a way to compute a product; nothing where it cannot.
using Candidate = std::function<std::optional<double>()>;

// The index of the fastest candidate, measured when `shape` comes for the first time in this process.
// Thread-safe. Precondition: the first candidate can always be measured.
PRUNE2TO4_API size_t fastest(const ProductShape& shape, const std::vector<Candidate>& candidates);
// What fastest() found before.
PRUNE2TO4_API std::optional<size_t> known_fastest(const ProductShape& shape);

}  // namespace prune2to4
