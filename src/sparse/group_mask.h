// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace prune2to4 {

// weight_norm_mask for blocks of (1, 4) that all exist and are all pruned: the `zeros` (1 .. 3) elements of
// lowest magnitude in each group of four get 0, the others 1. `size` is a multiple of four; `Float` is a type
// of float_bits.h.
template <class Float>
void mask_groups_of_four(const typename Float::Bits* weight, size_t size, int zeros, uint8_t* mask);

}  // namespace prune2to4
