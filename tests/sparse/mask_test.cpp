// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/mask.h"

#include <rapidcheck.h>

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace prune2to4 {
namespace {

using Mask = std::vector<uint8_t>;
using Floats = std::vector<float>;

Mask mask_of(const Floats& weight, int64_t rows, int64_t cols, const MaskOptions& options) {
  CATCH_REQUIRE(static_cast<int64_t>(weight.size()) == rows * cols);
  return weight_norm_mask({weight.data(), rows, cols, FloatType::kFloat32}, options);
}

Mask half_mask_of(const std::vector<uint16_t>& weight, FloatType type, const MaskOptions& options = {}) {
  return weight_norm_mask({weight.data(), 1, static_cast<int64_t>(weight.size()), type}, options);
}

size_t zeros_in(const Mask& mask) { return static_cast<size_t>(std::count(mask.begin(), mask.end(), 0)); }

// Indices of `scores`, lowest first, equal ones in order; NaN last.
std::vector<size_t> ranked(const Floats& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::isnan(scores[b]) ? !std::isnan(scores[a]) : scores[a] < scores[b];
  });
  return order;
}

// The definition in mask.h, by sorting: the existing elements of each block, the blocks by their mean.
Mask sorted_mask(const Floats& weight, int64_t rows, int64_t cols, const MaskOptions& options) {
  std::vector<std::vector<size_t>> blocks;
  Floats means;
  const auto [block_rows, block_cols] = options.sparse_block_shape;
  for (int64_t top = 0; top < rows; top += block_rows) {
    for (int64_t left = 0; left < cols; left += block_cols) {
      std::vector<size_t>& block = blocks.emplace_back();
      float sum = 0;
      for (int64_t row = top; row < std::min(rows, top + block_rows); ++row) {
        for (int64_t col = left; col < std::min(cols, left + block_cols); ++col) {
          block.push_back(static_cast<size_t>(row * cols + col));
          const float value = weight[block.back()];
          sum += options.norm == 1 ? std::abs(value) : value * value;
        }
      }
      means.push_back(sum / static_cast<float>(block.size()));
    }
  }
  const auto count = static_cast<double>(blocks.size());
  const double level = std::clamp(options.sparsity_level, 0.0, 1.0);
  const double chosen = level == 1 ? count : std::min(std::nearbyint(level * count), count - 1);
  const std::vector<size_t> order = ranked(means);
  Mask mask(weight.size(), 1);
  for (size_t i = 0; i < static_cast<size_t>(chosen); ++i) {
    const std::vector<size_t>& block = blocks[order[i]];
    Floats magnitudes;
    for (const size_t index : block) magnitudes.push_back(std::abs(weight[index]));
    const std::vector<size_t> lowest = ranked(magnitudes);
    const size_t zeros = std::min(static_cast<size_t>(options.zeros_per_block), block.size());
    for (size_t z = 0; z < zeros; ++z) mask[block[lowest[z]]] = 0;
  }
  return mask;
}

rc::Gen<MaskOptions> any_options() {
  return rc::gen::exec([] {
    MaskOptions options;
    options.sparse_block_shape = {*rc::gen::inRange<int64_t>(1, 6), *rc::gen::inRange<int64_t>(1, 6)};
    const int64_t size = options.sparse_block_shape[0] * options.sparse_block_shape[1];
    options.zeros_per_block = *rc::gen::inRange<int64_t>(0, size + 1);
    options.sparsity_level = *rc::gen::element(-1.0, 0.0, 0.1, 0.5, 0.8, 0.99, 1.0, 2.0);
    options.norm = *rc::gen::inRange(1, 3);
    return options;
  });
}

// Few values, so that many are equal, and some that are special.
rc::Gen<Floats> any_weight(int64_t size) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto tied = rc::gen::element(0.f, -0.f, 1.f, -1.f, 2.f, -3.f, 1e-41f, kInfinity, -kInfinity, kNan);
  const auto plain =
      rc::gen::map(rc::gen::inRange(-1000, 1000), [](int i) { return static_cast<float>(i) / 37; });
  return rc::gen::container<Floats>(static_cast<size_t>(size), rc::gen::oneOf(tied, plain));
}

CATCH_TEST_CASE("masks keep the two largest of four", "[mask]") {
  CATCH_CHECK(mask_of({1, -4, 3, 2, 0, 0, 0, 5}, 2, 4, {}) == Mask{0, 1, 1, 0, 0, 0, 1, 1});
}

CATCH_TEST_CASE("masks are those of a sort by score, then index", "[mask]") {
  CATCH_CHECK(rc::check([] {
    const auto rows = *rc::gen::inRange<int64_t>(1, 14);
    const auto cols = *rc::gen::inRange<int64_t>(1, 14);
    const MaskOptions options = *any_options();
    const Floats weight = *any_weight(rows * cols);
    RC_ASSERT(mask_of(weight, rows, cols, options) == sorted_mask(weight, rows, cols, options));
  }));
}

CATCH_TEST_CASE("every whole block of a fully pruned matrix has exactly its zeros", "[mask]") {
  CATCH_CHECK(rc::check([] {
    MaskOptions options = *any_options();
    options.sparsity_level = 1;
    const auto [block_rows, block_cols] = options.sparse_block_shape;
    const int64_t rows = block_rows * *rc::gen::inRange<int64_t>(1, 4);
    const int64_t cols = block_cols * *rc::gen::inRange<int64_t>(1, 6);
    const Mask mask = mask_of(*any_weight(rows * cols), rows, cols, options);
    for (int64_t top = 0; top < rows; top += block_rows) {
      for (int64_t left = 0; left < cols; left += block_cols) {
        int64_t zeros = 0;
        for (int64_t i = 0; i < block_rows * block_cols; ++i) {
          zeros += mask[static_cast<size_t>((top + i / block_cols) * cols + left + i % block_cols)] == 0;
        }
        RC_ASSERT(zeros == options.zeros_per_block);
      }
    }
  }));
}

CATCH_TEST_CASE("equal weights still give the exact number of zeros", "[mask]") {
  const auto shape = GENERATE(values<std::array<int64_t, 2>>({{1, 1}, {1, 4}, {2, 2}, {4, 1}}));
  const double level = GENERATE(-1.0, 0.0, 0.5, 1.0, 2.0);
  const int64_t size = shape[0] * shape[1];
  for (int64_t zeros = 0; zeros <= size; ++zeros) {
    const Mask mask = mask_of(Floats(144, 1.f), 12, 12, {level, shape, zeros});
    const double fraction =
        std::clamp(level, 0.0, 1.0) * static_cast<double>(zeros) / static_cast<double>(size);
    CATCH_CHECK(static_cast<double>(zeros_in(mask)) == fraction * 144);
  }
}

CATCH_TEST_CASE("levels choose the blocks of lowest mean, half to even", "[mask]") {
  const auto blocks_pruned = [](double level, size_t blocks) {
    Floats weight(blocks);
    std::iota(weight.rbegin(), weight.rend(), 1.f);  // the last block is the lowest
    const Mask mask = mask_of(weight, 1, static_cast<int64_t>(blocks), {level, {1, 1}, 1});
    const size_t zeros = zeros_in(mask);
    CATCH_CHECK(std::all_of(mask.end() - static_cast<std::ptrdiff_t>(zeros), mask.end(),
                            [](int m) { return m == 0; }));
    return zeros;
  };
  CATCH_CHECK(blocks_pruned(0.5, 5) == 2);
  CATCH_CHECK(blocks_pruned(0.5, 7) == 4);
  CATCH_CHECK(blocks_pruned(0.49, 5) == 2);
  CATCH_CHECK(blocks_pruned(0.01, 5) == 0);
  CATCH_CHECK(blocks_pruned(0.99, 5) == 4);  // below level 1 one block always stays
}

CATCH_TEST_CASE("a level below one leaves the other blocks whole", "[mask]") {
  CATCH_CHECK(mask_of({1, 2, 3, 4, 4, 3, 2, 9}, 2, 4, {0.5, {1, 4}, 2}) == Mask{0, 0, 1, 1, 1, 1, 1, 1});
  CATCH_CHECK(mask_of({1, 2, 3, 4, 4, 3, 2, 9}, 2, 4, {0.5, {1, 4}, 4}) == Mask{0, 0, 0, 0, 1, 1, 1, 1});
}

CATCH_TEST_CASE("the norm decides which block is lowest", "[mask]") {
  const Floats weight = {3, 0, 0, 0, 1.25, 1.25, 1.25, 1.25};  // sums 3 and 5, of squares 9 and 6.25
  CATCH_CHECK(mask_of(weight, 1, 8, {0.5, {1, 4}, 4, 1}) == Mask{0, 0, 0, 0, 1, 1, 1, 1});
  CATCH_CHECK(mask_of(weight, 1, 8, {0.5, {1, 4}, 4, 2}) == Mask{1, 1, 1, 1, 0, 0, 0, 0});
}

CATCH_TEST_CASE("blocks that the edge cuts off lose what exists first", "[mask]") {
  CATCH_CHECK(mask_of({4, 3, 2, 1, 9}, 1, 5, {}) == Mask{1, 1, 0, 0, 0});
  CATCH_CHECK(mask_of({4, 3, 2, 1, 9, 8, 7}, 1, 7, {}) == Mask{1, 1, 0, 0, 1, 0, 0});
  CATCH_CHECK(mask_of({5, 1}, 1, 2, {1, {8, 8}, 1}) == Mask{1, 0});
}

CATCH_TEST_CASE("infinity outranks numbers and NaN outranks infinity", "[mask]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::bit_cast<float>(0xffc01234u);
  CATCH_CHECK(mask_of({nan, 3e38f, -infinity, 1}, 1, 4, {}) == Mask{1, 0, 1, 0});
  CATCH_CHECK(mask_of({nan, -infinity, std::bit_cast<float>(0x7f800001u), 1}, 1, 4, {1, {1, 4}, 3}) ==
              Mask{0, 0, 1, 0});
}

CATCH_TEST_CASE("NaNs of other bits are equal scores", "[mask]") {
  const Floats nans = {std::bit_cast<float>(0xffc00002u), std::bit_cast<float>(0x7f800001u)};
  CATCH_CHECK(mask_of(nans, 2, 1, {1, {2, 1}, 1}) == Mask{0, 1});
  CATCH_CHECK(mask_of(nans, 2, 1, {0.5, {1, 1}, 1}) == Mask{0, 1});
}

CATCH_TEST_CASE("small 16-bit weights are compared though their squares vanish", "[mask]") {
  // 1.0e-4, 1.2e-4, 1.1e-4, 0.9e-4 in float16: every square is 0 there.
  CATCH_CHECK(half_mask_of({0x068e, 0x07dd, 0x8735, 0x05e6}, FloatType::kFloat16) == Mask{0, 1, 1, 0});
  // 1, 256, -2, 0.5 in bfloat16.
  CATCH_CHECK(half_mask_of({0x3f80, 0x4380, 0xc000, 0x3f00}, FloatType::kBFloat16) == Mask{0, 1, 1, 0});
}

CATCH_TEST_CASE("means of 16-bit blocks are taken in fp32", "[mask]") {
  // float16 blocks {300, 0} and {290, 10}: both squares of 300 and 290 overflow float16.
  const std::vector<uint16_t> weight = {0x5cb0, 0x0000, 0x5c88, 0x4900};
  CATCH_CHECK(half_mask_of(weight, FloatType::kFloat16, {0.5, {1, 2}, 2}) == Mask{1, 1, 0, 0});
}

CATCH_TEST_CASE("ties between block means prune the lower block", "[mask]") {
  CATCH_CHECK(mask_of({2, 2, 1, 3, 2, 2, 3, 1}, 1, 8, {0.5, {1, 2}, 2, 1}) == Mask{0, 0, 0, 0, 1, 1, 1, 1});
}

CATCH_TEST_CASE("an empty matrix has an empty mask", "[mask]") {
  for (const double level : {0.0, 0.5, 1.0}) {
    CATCH_CHECK(mask_of({}, 0, 8, {level}).empty());
    CATCH_CHECK(mask_of({}, 3, 0, {level}).empty());
  }
}

CATCH_TEST_CASE("options that mean nothing are refused", "[mask]") {
  const auto refused = [](const MaskOptions& options) {
    CATCH_CHECK_THROWS_AS(mask_of({1, 2, 3, 4}, 1, 4, options), std::invalid_argument);
  };
  refused({.zeros_per_block = 5});
  refused({.zeros_per_block = -1});
  refused({.sparsity_level = 0, .zeros_per_block = 5});
  refused({.sparse_block_shape = {0, 4}, .zeros_per_block = 0});
  refused({.sparse_block_shape = {1, -4}, .zeros_per_block = 0});
  refused({.sparse_block_shape = {int64_t{1} << 40, int64_t{1} << 40}});
  refused({.sparsity_level = std::nan("")});
  refused({.norm = 3});
}

CATCH_TEST_CASE("applying a mask leaves +0.0 where it prunes and the bits where it keeps", "[mask]") {
  std::vector<uint32_t> singles = {0x80000000, 0x80000000, 0x7fc00001, 0x7fc00001, 0xbf800000};
  apply_mask(singles.data(), 4, {1, 0, 1, 0, 0});
  CATCH_CHECK(singles == std::vector<uint32_t>{0x80000000, 0, 0x7fc00001, 0, 0});
  std::vector<uint16_t> halves = {0x8000, 0x8000, 0x7e01, 0x7e01, 0xbc00};
  apply_mask(halves.data(), 2, {1, 0, 1, 0, 0});
  CATCH_CHECK(halves == std::vector<uint16_t>{0x8000, 0, 0x7e01, 0, 0});
}

}  // namespace
}  // namespace prune2to4
