// SPDX-License-Identifier: Apache-2.0
#include "train/packed_batch.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

namespace prune2to4 {
namespace {

// Batches that are sorted by length together.
constexpr int64_t kBucketBatches = 50;

using Field = at::Tensor PackedBatch::*;
constexpr std::array<Field, 11> kFields{
    &PackedBatch::ids,    &PackedBatch::segments,      &PackedBatch::positions,  &PackedBatch::boundaries,
    &PackedBatch::places, &PackedBatch::real,          &PackedBatch::start,      &PackedBatch::end,
    &PackedBatch::weight, &PackedBatch::teacher_start, &PackedBatch::teacher_end};

// Fisher and Yates, since the standard leaves the order of std::shuffle open.
template <typename Value>
void shuffle(std::vector<Value>& values, std::mt19937_64& random) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random() % i]);
}

// What holds without any sequence: filler only.
void allocate(int64_t tokens, int64_t pad_token_id, PackedBatch& batch) {
  batch.ids = at::full({tokens}, pad_token_id, at::kLong);
  batch.segments = at::zeros({tokens}, at::kLong);
  batch.positions = at::zeros({tokens}, at::kLong);
  batch.places = at::full({tokens}, batch.sequences * batch.width, at::kLong);
  batch.boundaries = at::full({batch.sequences + 2}, tokens, at::kInt);
  batch.real = at::zeros({batch.sequences, batch.width}, at::kBool);
  batch.start = at::zeros({batch.sequences}, at::kLong);
  batch.end = at::zeros({batch.sequences}, at::kLong);
  batch.weight = at::zeros({batch.sequences}, at::kFloat);
}

}  // namespace

PackedBatch PackedBatch::to(at::Device device) const {
  PackedBatch result = *this;
  for (const Field field : kFields) {
    if ((this->*field).defined()) result.*field = (this->*field).to(device);
  }
  return result;
}

PackedBatch PackedBatch::pinned() const {
  PackedBatch result = *this;
  for (const Field field : kFields) {
    if ((this->*field).defined()) result.*field = (this->*field).pin_memory();
  }
  return result;
}

void PackedBatch::copy_from(const PackedBatch& other) {
  for (const Field field : kFields) {
    if ((this->*field).defined()) (this->*field).copy_(other.*field, /*non_blocking=*/true);
  }
}

PackedBatch pack_rows(const std::vector<PackedRow>& rows, int64_t pad_token_id, const PackedShape& shape) {
  PackedBatch batch;
  batch.sequences = shape.sequences;
  const auto row_at = [&](int64_t row) -> const PackedRow& {
    return rows[static_cast<size_t>(row) < rows.size() ? static_cast<size_t>(row) : 0];
  };
  int64_t tokens = 0;
  for (int64_t row = 0; row < batch.sequences; ++row) {
    const auto length = static_cast<int64_t>(row_at(row).ids.size());
    tokens += length;
    batch.longest = std::max(batch.longest, length);
  }
  batch.width = shape.width > 0 ? shape.width : batch.longest;
  if (shape.token_step > 1) batch.longest = batch.width;
  allocate((tokens + shape.token_step - 1) / shape.token_step * shape.token_step, pad_token_id, batch);
  auto* boundaries = batch.boundaries.mutable_data_ptr<int32_t>();
  int64_t at = 0;
  for (int64_t row = 0; row < batch.sequences; ++row) {
    const PackedRow& source = row_at(row);
    const auto length = static_cast<int64_t>(source.ids.size());
    boundaries[row] = static_cast<int32_t>(at);
    std::copy(source.ids.begin(), source.ids.end(), batch.ids.mutable_data_ptr<int64_t>() + at);
    std::copy(source.segments.begin(), source.segments.end(),
              batch.segments.mutable_data_ptr<int64_t>() + at);
    auto* positions = batch.positions.mutable_data_ptr<int64_t>() + at;
    std::iota(positions, positions + length, int64_t{0});
    auto* places = batch.places.mutable_data_ptr<int64_t>() + at;
    std::iota(places, places + length, row * batch.width);
    std::fill_n(batch.real.mutable_data_ptr<bool>() + row * batch.width, length, true);
    batch.start.mutable_data_ptr<int64_t>()[row] = source.start;
    batch.end.mutable_data_ptr<int64_t>()[row] = source.end;
    const bool repeated = static_cast<size_t>(row) >= rows.size();
    batch.weight.mutable_data_ptr<float>()[row] = repeated ? 0.0F : static_cast<float>(shape.weight);
    at += length;
  }
  boundaries[batch.sequences] = static_cast<int32_t>(at);
  return batch;
}

PackedBatch pack_batch(const TokenizedSquad& data, const std::vector<int64_t>& windows,
                       const PackedShape& shape) {
  std::vector<PackedRow> rows;
  for (const int64_t window : windows) {
    const bool known = data.labelled() && data.start(window) != TokenizedSquad::kUnknownLabel;
    rows.push_back({data.input_ids(window), data.token_type_ids(window),
                    known ? data.start(window) : kNoLabel, known ? data.end(window) : kNoLabel});
  }
  return pack_rows(rows, data.pad_token_id(), shape);
}

std::vector<std::vector<int64_t>> epoch_batches(const TokenizedSquad& data, int64_t size, uint64_t seed,
                                                int64_t epoch, bool by_length) {
  std::seed_seq seeds{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32U),
                      static_cast<uint32_t>(epoch)};
  std::mt19937_64 random(seeds);
  std::vector<int64_t> order = data.training_windows();
  shuffle(order, random);
  if (by_length) {
    const auto bucket = static_cast<size_t>(size * kBucketBatches);
    for (size_t first = 0; first < order.size(); first += bucket) {
      const auto begin = order.begin() + static_cast<std::ptrdiff_t>(first);
      const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(first + bucket, order.size()));
      std::stable_sort(begin, end, [&](int64_t a, int64_t b) { return data.length(a) < data.length(b); });
    }
  }
  std::vector<std::vector<int64_t>> batches;
  for (size_t first = 0; first < order.size(); first += static_cast<size_t>(size)) {
    const size_t last = std::min(first + static_cast<size_t>(size), order.size());
    batches.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(first),
                         order.begin() + static_cast<std::ptrdiff_t>(last));
  }
  if (by_length) shuffle(batches, random);
  return batches;
}

}  // namespace prune2to4
