// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "prune2to4/packed_attention.h"

namespace prune2to4 {

// packed_attention() on the CPU by LibTorch, without gradients and dropout: each sequence by itself, so that
// nothing is padded.
at::Tensor cpu_attention(const at::Tensor& qkv, const PackedSequences& sequences);

}  // namespace prune2to4
