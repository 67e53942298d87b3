// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu/weight_layout.h"

namespace prune2to4::cpu {

// x [tokens, 4 * groups] times a 2:4 weight, by LibTorch's threads. Each output is summed by one thread in a
// fixed order: the bits depend neither on their number nor on how many tokens come along.
void multiply_tiled(const TiledKernel& kernel, const TiledWeight& weight, const void* x, int64_t tokens,
                    const Output& output);
void multiply_rows(const RowsKernel& kernel, const RowsWeight& weight, const float* x, int64_t tokens,
                   const Output& output);

}  // namespace prune2to4::cpu
