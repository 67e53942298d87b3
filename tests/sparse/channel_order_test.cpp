// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/channel_order.h"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace prune2to4 {
namespace {

using Floats = std::vector<float>;
using Order = std::vector<int64_t>;

ChannelOrder search(const Floats& weight, int64_t cols, int64_t span) {
  return order_channels(
      {weight.data(), static_cast<int64_t>(weight.size()) / cols, cols, FloatType::kFloat32}, span);
}

double kept(const Floats& weight, const Order& order) {
  double sum = 0;
  for (size_t row = 0; row < weight.size(); row += order.size()) {
    for (size_t group = 0; group < order.size(); group += 4) {
      std::array<double, 4> squares;
      for (size_t i = 0; i < 4; ++i) {
        const double value = weight[row + static_cast<size_t>(order[group + i])];
        squares[i] = value * value;
      }
      std::sort(squares.begin(), squares.end());
      sum += squares[2] + squares[3];
    }
  }
  return sum;
}

Order given_order(int64_t cols) {
  Order order(static_cast<size_t>(cols));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

}  // namespace

CATCH_TEST_CASE("an order is a permutation within its spans, keeps no less, and is the same every time") {
  CATCH_CHECK(rc::check([] {
    const int64_t span = 4 * *rc::gen::inRange<int64_t>(1, 8);
    const int64_t cols = span * *rc::gen::inRange<int64_t>(1, 4);
    const int64_t rows = *rc::gen::inRange<int64_t>(0, 40);
    const auto integers = *rc::gen::container<std::vector<int>>(static_cast<size_t>(rows * cols),
                                                                rc::gen::inRange(-1000, 1000));
    const Floats weight(integers.begin(), integers.end());
    const ChannelOrder found = search(weight, cols, span);
    Order sorted = found.order;
    for (size_t i = 0; i < sorted.size(); ++i) {
      RC_ASSERT(found.order[i] / span == static_cast<int64_t>(i) / span);
    }
    std::sort(sorted.begin(), sorted.end());
    RC_ASSERT(sorted == given_order(cols));
    RC_ASSERT(found.kept_after >= found.kept_before);
    RC_ASSERT(std::abs(found.kept_before - kept(weight, given_order(cols))) <= 1e-6 * found.kept_before);
    RC_ASSERT(std::abs(found.kept_after - kept(weight, found.order)) <= 1e-6 * found.kept_after);
    RC_ASSERT(search(weight, cols, span).order == found.order);
  }));
}

CATCH_TEST_CASE("a planted order is found") {
  // Columns 0 to 15 hold everything: no more than two of a group may be among them.
  constexpr int64_t kCols = 32;
  Floats weight(size_t{20} * kCols);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = i % kCols < 16 ? 1 + static_cast<float>(i % 7) : 0;
  const ChannelOrder found = search(weight, kCols, kCols);
  const double all = std::inner_product(weight.begin(), weight.end(), weight.begin(), 0.0);
  CATCH_CHECK(found.kept_before < 0.9 * all);
  CATCH_CHECK(found.kept_after == all);
  for (size_t group = 0; group < kCols; group += 4) {
    CATCH_CHECK(std::count_if(found.order.begin() + static_cast<int64_t>(group),
                              found.order.begin() + static_cast<int64_t>(group) + 4,
                              [](int64_t column) { return column < 16; }) == 2);
  }
  // Within spans of 16 nothing is to be had.
  const ChannelOrder bound = search(weight, kCols, 16);
  CATCH_CHECK(bound.kept_after < 0.9 * all);
}

CATCH_TEST_CASE("where nothing is gained, the order stays") {
  const Floats same(size_t{3} * 16, 2.0F);
  CATCH_CHECK(search(same, 16, 16).order == given_order(16));
  const Floats nan(size_t{3} * 16, std::nanf(""));
  CATCH_CHECK(search(nan, 16, 16).order == given_order(16));
  CATCH_CHECK(search({1, 2, 3, 4}, 4, 4).order == given_order(4));
  CATCH_CHECK(order_channels({nullptr, 3, 0, FloatType::kFloat32}, 8).order.empty());
}

CATCH_TEST_CASE("half precision is read as it is") {
  // 1.0 and 2.0 in each of the two types.
  const std::vector<std::pair<FloatType, std::array<uint16_t, 2>>> types{
      {FloatType::kFloat16, {0x3c00, 0x4000}}, {FloatType::kBFloat16, {0x3f80, 0x4000}}};
  for (const auto& [type, values] : types) {
    std::vector<uint16_t> weight;
    for (size_t i = 0; i < 8; ++i) weight.push_back(values[i < 4 ? 1 : 0]);
    const ChannelOrder found = order_channels({weight.data(), 1, 8, type}, 8);
    CATCH_CHECK(found.kept_before == 10);
    CATCH_CHECK(found.kept_after == 16);
  }
}

CATCH_TEST_CASE("a span that does not divide the columns into groups is refused") {
  const Floats weight(24, 1.0F);
  for (const int64_t span : {0, -4, 6, 16}) {
    CATCH_CHECK_THROWS_AS(search(weight, 24, span), std::invalid_argument);
  }
}

}  // namespace prune2to4
