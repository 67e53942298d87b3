// SPDX-License-Identifier: Apache-2.0
#include "sparse/group_mask.h"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "sparse/float_bits.h"

namespace prune2to4 {
namespace {

template <class Float>
using Weights = std::vector<typename Float::Bits>;

// The definition, by a stable sort of each group: equal magnitudes stay in index order.
template <class Float>
std::vector<uint8_t> sorted_mask(const Weights<Float>& weight, int zeros) {
  const auto score = [](typename Float::Bits bits) {
    const uint32_t magnitude = bits & Float::kMagnitude;
    return magnitude > Float::kInfinity ? Float::kInfinity + 1u : magnitude;
  };
  std::vector<uint8_t> mask(weight.size(), 1);
  for (size_t start = 0; start < weight.size(); start += 4) {
    std::array<size_t, 4> order = {start, start + 1, start + 2, start + 3};
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return score(weight[a]) < score(weight[b]); });
    for (int i = 0; i < zeros; ++i) mask[order[static_cast<size_t>(i)]] = 0;
  }
  return mask;
}

template <class Float>
std::vector<uint8_t> group_mask(const Weights<Float>& weight, int zeros) {
  std::vector<uint8_t> mask(weight.size() + 1, 7);
  mask_groups_of_four<Float>(weight.data(), weight.size(), zeros, mask.data());
  CATCH_REQUIRE(mask.back() == 7);  // nothing was written behind the end
  mask.pop_back();
  return mask;
}

CATCH_TEMPLATE_TEST_CASE("groups of four lose their lowest, on a tie the lowest index", "[group_mask]",
                         Float32, Float16, BFloat16) {
  using Bits = typename TestType::Bits;
  const auto sign = static_cast<Bits>(TestType::kMagnitude + 1);
  const std::array<Bits, 8> values = {0,
                                      sign,
                                      1,
                                      static_cast<Bits>(sign | 2),
                                      static_cast<Bits>(TestType::kInfinity - 1),
                                      TestType::kInfinity,
                                      static_cast<Bits>(TestType::kInfinity + 1),
                                      static_cast<Bits>(TestType::kMagnitude | sign)};
  Weights<TestType> weight;  // every group of four of these values
  for (size_t code = 0; code < 8 * 8 * 8 * 8; ++code) {
    for (size_t shift = 0; shift < 12; shift += 3) weight.push_back(values[code >> shift & 7]);
  }
  for (int zeros = 1; zeros <= 3; ++zeros) {
    CATCH_CHECK(group_mask<TestType>(weight, zeros) == sorted_mask<TestType>(weight, zeros));
  }
}

CATCH_TEMPLATE_TEST_CASE("groups of any bits and number are masked as a sort would", "[group_mask]", Float32,
                         Float16, BFloat16) {
  CATCH_CHECK(rc::check([] {
    auto weight = *rc::gen::container<Weights<TestType>>(rc::gen::arbitrary<typename TestType::Bits>());
    weight.resize(weight.size() / 4 * 4);
    const int zeros = *rc::gen::inRange(1, 4);
    RC_ASSERT(group_mask<TestType>(weight, zeros) == sorted_mask<TestType>(weight, zeros));
  }));
}

}  // namespace
}  // namespace prune2to4
