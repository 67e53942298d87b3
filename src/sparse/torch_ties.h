// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "prune2to4/mask.h"

namespace prune2to4 {

// The mask as PyTorch's operators give it; bool [rows, cols], true keeps. `weight` is on the host.
at::Tensor torch_ties_mask(const at::Tensor& weight, const MaskOptions& options);

}  // namespace prune2to4
