// SPDX-License-Identifier: Apache-2.0
#include "train/packed_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

template <typename Value>
std::vector<Value> values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.const_data_ptr<Value>(), flat.const_data_ptr<Value>() + flat.numel()};
}

using Ints = std::vector<int64_t>;
using Batches = std::vector<std::vector<int64_t>>;

Ints joined(const Batches& batches) {
  Ints all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

}  // namespace

CATCH_TEST_CASE("windows whose label is unknown are in no batch") {
  SquadFile file = marked_squad_file(9);
  for (const size_t window : {2U, 5U, 6U}) {
    for (const char* name : {"start", "end"})
      file.tensor(name).set<int32_t>(window, TokenizedSquad::kUnknownLabel);
  }
  const TokenizedSquad data = read_squad(file);
  CATCH_CHECK(data.training_windows() == std::vector<int64_t>{0, 1, 3, 4, 7, 8});
  for (const bool by_length : {false, true}) {
    std::vector<int64_t> seen;
    for (const auto& batch : epoch_batches(data, 4, 0, 0, by_length)) {
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    std::sort(seen.begin(), seen.end());
    CATCH_CHECK(seen == data.training_windows());
  }
}

CATCH_TEST_CASE(
    "windows lie one behind the other, each with its own positions and its row of the padded logits") {
  const TokenizedSquad data = read_squad(small_squad_file());  // lengths 6, 7, 8, 7, 7
  const PackedBatch batch = pack_batch(data, {1, 0}, {2, 0, 1, 0.25});
  CATCH_CHECK(batch.sequences == 2);
  CATCH_CHECK(batch.width == 7);
  CATCH_CHECK(batch.longest == 7);
  CATCH_CHECK(batch.tokens() == 13);
  CATCH_CHECK(values<int64_t>(batch.ids) == Ints{1, 3, 2, 21, 24, 29, 2, 1, 3, 2, 10, 15, 2});
  CATCH_CHECK(values<int64_t>(batch.segments) == Ints{0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1});
  CATCH_CHECK(values<int64_t>(batch.positions) == Ints{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5});
  CATCH_CHECK(values<int64_t>(batch.places) == Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CATCH_CHECK(values<int32_t>(batch.boundaries) == std::vector<int32_t>{0, 7, 13, 13});
  CATCH_CHECK(values<int64_t>(batch.real.sum(1)) == Ints{7, 6});
  CATCH_CHECK_FALSE(batch.real[1][6].item<bool>());
  CATCH_CHECK(values<int64_t>(batch.start) == Ints{4, 0});
  CATCH_CHECK(values<int64_t>(batch.end) == Ints{4, 0});
  CATCH_CHECK(values<float>(batch.weight) == std::vector<float>{0.25F, 0.25F});
  CATCH_CHECK_FALSE(batch.teacher_start.defined());
}

CATCH_TEST_CASE("a batch of a fixed shape ends in repeated rows of weight 0 and filler outside all rows") {
  const TokenizedSquad data = read_squad(small_squad_file());
  const PackedBatch batch = pack_batch(data, {2, 0}, {3, 10, 16, 0.5});
  CATCH_CHECK(batch.sequences == 3);
  CATCH_CHECK(batch.width == 10);
  CATCH_CHECK(batch.longest == 10);  // any batch of this shape may be computed in its place
  CATCH_CHECK(batch.tokens() == 32);
  CATCH_CHECK(values<int32_t>(batch.boundaries) == std::vector<int32_t>{0, 8, 14, 22, 32});
  CATCH_CHECK(values<float>(batch.weight) == std::vector<float>{0.5F, 0.5F, 0});
  CATCH_CHECK(at::equal(batch.ids.narrow(0, 14, 8), batch.ids.narrow(0, 0, 8)));
  CATCH_CHECK(batch.ids.narrow(0, 22, 10).eq(data.pad_token_id()).all().item<bool>());
  CATCH_CHECK(batch.places.narrow(0, 22, 10).eq(30).all().item<bool>());
  CATCH_CHECK(values<int64_t>(batch.places.narrow(0, 8, 6)) == Ints{10, 11, 12, 13, 14, 15});
  CATCH_CHECK(batch.places[14].item<int64_t>() == 20);
  CATCH_CHECK(values<int64_t>(batch.real.sum(1)) == Ints{8, 6, 8});
}

CATCH_TEST_CASE("a batch takes another one's content into its own memory") {
  const TokenizedSquad data = read_squad(small_squad_file());
  PackedBatch batch = pack_batch(data, {1, 0}, {2, 8, 32, 1});
  const PackedBatch other = pack_batch(data, {2, 3}, {2, 8, 32, 0.5});
  const void* memory = batch.ids.const_data_ptr();
  batch.copy_from(other);
  CATCH_CHECK(batch.ids.const_data_ptr() == memory);
  for (const auto field : {&PackedBatch::ids, &PackedBatch::segments, &PackedBatch::positions,
                           &PackedBatch::boundaries, &PackedBatch::places, &PackedBatch::real,
                           &PackedBatch::start, &PackedBatch::end, &PackedBatch::weight}) {
    CATCH_CHECK(at::equal(batch.*field, other.*field));
  }
}

CATCH_TEST_CASE("an epoch has every window once, in batches that only the last one fills partly") {
  const TokenizedSquad data = marked_squad(103, 30);
  for (const bool by_length : {false, true}) {
    const Batches batches = epoch_batches(data, 4, 0, 0, by_length);
    CATCH_CHECK(batches.size() == 26);
    CATCH_CHECK(std::count_if(batches.begin(), batches.end(),
                              [](const auto& batch) { return batch.size() == 4; }) == 25);
    Ints all = joined(batches);
    CATCH_CHECK_FALSE(std::is_sorted(all.begin(), all.end()));
    std::sort(all.begin(), all.end());
    CATCH_REQUIRE(all.size() == 103);
    for (size_t i = 0; i < all.size(); ++i) CATCH_CHECK(all[i] == static_cast<int64_t>(i));
  }
}

CATCH_TEST_CASE("the order is that of seed and epoch") {
  const TokenizedSquad data = marked_squad(103, 30);
  for (const bool by_length : {false, true}) {
    const Batches batches = epoch_batches(data, 4, 5, 2, by_length);
    CATCH_CHECK(batches == epoch_batches(data, 4, 5, 2, by_length));
    CATCH_CHECK(batches != epoch_batches(data, 4, 6, 2, by_length));
    CATCH_CHECK(batches != epoch_batches(data, 4, 5, 3, by_length));
    CATCH_CHECK(batches != epoch_batches(data, 4, 5 + (uint64_t{1} << 32), 2, by_length));
  }
  // The order does not depend on how it is cut.
  CATCH_CHECK(joined(epoch_batches(data, 4, 5, 2, false)) == joined(epoch_batches(data, 8, 5, 2, false)));
}

CATCH_TEST_CASE("batches by length hold windows of much the same length, in no order of length") {
  const TokenizedSquad data = marked_squad(400, 30);
  const auto padding = [&](const Batches& batches) {
    int64_t wasted = 0;
    for (const auto& batch : batches) {
      int64_t longest = 0;
      for (const int64_t window : batch) longest = std::max<int64_t>(longest, data.length(window));
      for (const int64_t window : batch) wasted += longest - data.length(window);
    }
    return wasted;
  };
  const Batches sorted = epoch_batches(data, 8, 0, 0, true);
  CATCH_CHECK(padding(sorted) * 8 < padding(epoch_batches(data, 8, 0, 0, false)));
  CATCH_CHECK_FALSE(std::is_sorted(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    return data.length(a.front()) < data.length(b.front());
  }));
}

}  // namespace prune2to4
