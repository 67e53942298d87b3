// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "prune2to4/recipe.h"

namespace prune2to4 {

// LibTorch's settings for the whole process: products in TF32 or in full fp32, and whether the same bits come
// each time. An operator that has no deterministic kernel throws c10::Error then.
void set_numerics(Precision precision, bool deterministic);

}  // namespace prune2to4
