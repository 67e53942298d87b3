// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "prune2to4/mask.h"

namespace prune2to4 {

struct MatrixStats {
  int64_t zeros = 0;        // +0.0 and -0.0
  int64_t nonfinite = 0;    // NaN and infinities
  double squared_norm = 0;  // sum of the squares of the finite elements
};

MatrixStats matrix_stats(const ConstMatrix& matrix);

}  // namespace prune2to4
