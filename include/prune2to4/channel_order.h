// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "prune2to4/mask.h"

namespace prune2to4 {

// An order of a weight's columns, and the squared magnitude that 2:4 keeps of it.
struct ChannelOrder {
  std::vector<int64_t> order;  // column order[i] comes to place i
  double kept_before = 0;      // sum of the two largest squares of each group of four, in the given order
  double kept_after = 0;       // in this one: never less
};

// Looks for the order of columns under which 2:4 keeps most of the weight's squared magnitude: a greedy
// search over pairs of groups, after Pool and Yu, "Channel Permutations for N:M Sparsity" (NeurIPS 2021).
// Columns move only within consecutive spans of `span`. The same weight gives the same order everywhere.
// Throws std::invalid_argument unless `span` is a multiple of four that divides the columns.
ChannelOrder order_channels(const ConstMatrix& weight, int64_t span);

}  // namespace prune2to4
