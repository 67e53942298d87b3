// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "prune2to4/module_parameters.h"
#include "prune2to4/safetensors.h"

namespace prune2to4 {

// A tensor as write_safetensors() takes it. Precondition: contiguous, on the CPU, of a floating type of 16 to
// 64 bits, an integer type or bool; it outlives the view.
TensorView view_of(const NamedTensor& named);

// In memory of its own; nothing where it has another dtype.
std::optional<at::Tensor> copy_of(const TensorView& view);

}  // namespace prune2to4
