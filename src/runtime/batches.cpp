// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/batches.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace prune2to4 {

std::vector<std::vector<int64_t>> plan_batches(const TokenizedSquad& data, std::vector<int64_t> windows,
                                               const BatchLimits& limits) {
  std::stable_sort(windows.begin(), windows.end(),
                   [&](int64_t a, int64_t b) { return data.length(a) > data.length(b); });
  std::vector<std::vector<int64_t>> batches;
  for (const int64_t window : windows) {
    // The first window of a batch is its longest.
    const auto full = [&](const std::vector<int64_t>& batch) {
      const auto size = static_cast<int64_t>(batch.size());
      return (limits.windows > 0 && size >= limits.windows) ||
             (limits.tokens > 0 && (size + 1) * data.length(batch.front()) > limits.tokens);
    };
    if (batches.empty() || full(batches.back())) batches.emplace_back();
    batches.back().push_back(window);
  }
  return batches;
}

std::vector<std::vector<int64_t>> plan_batches(const TokenizedSquad& data, int64_t count,
                                               const BatchLimits& limits) {
  std::vector<int64_t> windows(static_cast<size_t>(count));
  std::iota(windows.begin(), windows.end(), 0);
  return plan_batches(data, std::move(windows), limits);
}

TextBatch fill_batch(const TokenizedSquad& data, std::span<const int64_t> windows, int64_t rows,
                     int64_t length) {
  TextBatch batch{at::full({rows, length}, data.pad_token_id(), at::kLong),
                  at::zeros({rows, length}, at::kLong), at::zeros({rows, length}, at::kLong)};
  auto* ids = batch.input_ids.mutable_data_ptr<int64_t>();
  auto* mask = batch.attention_mask.mutable_data_ptr<int64_t>();
  auto* types = batch.token_type_ids.mutable_data_ptr<int64_t>();
  for (int64_t row = 0; row < rows; ++row) {
    const size_t index = static_cast<size_t>(row) < windows.size() ? static_cast<size_t>(row) : 0;
    const int64_t window = windows[index];
    const auto row_ids = data.input_ids(window);
    const auto row_types = data.token_type_ids(window);
    std::copy(row_ids.begin(), row_ids.end(), ids + row * length);
    std::copy(row_types.begin(), row_types.end(), types + row * length);
    std::fill_n(mask + row * length, row_ids.size(), 1);
  }
  return batch;
}

}  // namespace prune2to4
