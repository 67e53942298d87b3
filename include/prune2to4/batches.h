// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "prune2to4/text_batch.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// What one batch may hold.
struct BatchLimits {
  int64_t tokens = 0;   // padding included; a longer window still goes alone. 0: any number
  int64_t windows = 0;  // 0: any number
};

// The windows by descending length, cut into batches of much the same length each: padding is rare, and the
// batch that needs most memory comes first.
std::vector<std::vector<int64_t>> plan_batches(const TokenizedSquad& data, std::vector<int64_t> windows,
                                               const BatchLimits& limits);
// Of windows [0, count).
std::vector<std::vector<int64_t>> plan_batches(const TokenizedSquad& data, int64_t count,
                                               const BatchLimits& limits);

// Rows of `data` as a batch [rows, length]; rows beyond the windows repeat the first one. Padding has the
// data's pad id. Preconditions: 0 < windows.size() <= rows, and no window is longer than `length`.
TextBatch fill_batch(const TokenizedSquad& data, std::span<const int64_t> windows, int64_t rows,
                     int64_t length);

}  // namespace prune2to4
