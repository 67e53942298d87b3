// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <compare>
#include <cstdint>

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

}  // namespace prune2to4
