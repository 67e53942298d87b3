// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "prune2to4/api.h"

namespace prune2to4::cpu {

struct Kernels;

// sequence_attention() of a CPU's tensors by one set of kernels, by LibTorch's threads. The same bits
// whatever their number.
PRUNE2TO4_API std::optional<at::Tensor> attend_sequences(const Kernels& kernels, const at::Tensor& qkv,
                                                         const at::Tensor& boundaries);

}  // namespace prune2to4::cpu
