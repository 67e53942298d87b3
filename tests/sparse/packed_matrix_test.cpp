// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/packed_matrix.h"

#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <vector>

namespace prune2to4 {
namespace {

using Bytes = std::vector<uint8_t>;

template <class Bits>
constexpr Bits kNegativeZero = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));

template <class Bits>
struct Packed {
  std::vector<Bits> values;
  Bytes positions;
  int64_t lost = 0;
};

// Guards behind both outputs catch a write past the end.
template <class Bits>
Packed<Bits> packed(const std::vector<Bits>& weight, int64_t rows, int64_t cols) {
  Packed<Bits> result;
  result.values.assign(static_cast<size_t>(rows * packed_value_columns(cols)) + 1, Bits{0xabcd});
  result.positions.assign(static_cast<size_t>(rows * packed_position_columns(cols)) + 1, uint8_t{0xef});
  result.lost = pack(weight.data(), sizeof(Bits), rows, cols, result.values.data(), result.positions.data());
  CATCH_REQUIRE(result.values.back() == 0xabcd);
  CATCH_REQUIRE(result.positions.back() == 0xef);
  result.values.pop_back();
  result.positions.pop_back();
  return result;
}

template <class Bits>
std::vector<Bits> unpacked(const Packed<Bits>& from, int64_t rows, int64_t cols) {
  std::vector<Bits> weight(static_cast<size_t>(rows * cols) + 1, Bits{0x1234});
  unpack(from.values.data(), from.positions.data(), sizeof(Bits), rows, cols, weight.data());
  CATCH_REQUIRE(weight.back() == 0x1234);
  weight.pop_back();
  return weight;
}

template <class Bits>
std::optional<DenseGroup> dense_group(const std::vector<Bits>& weight, int64_t rows, int64_t cols) {
  return find_dense_group(weight.data(), sizeof(Bits), rows, cols);
}

// At most two elements of each group have any bits, NaN and subnormals included; the others are +0.0 or -0.0.
template <class Bits>
rc::Gen<std::vector<Bits>> any_sparse(int64_t size) {
  return rc::gen::exec([size] {
    std::vector<Bits> weight;
    while (static_cast<int64_t>(weight.size()) < size) {
      const size_t start = weight.size();
      for (int i = 0; i < 4; ++i) weight.push_back(*rc::gen::element(Bits{0}, Bits{0}, kNegativeZero<Bits>));
      for (int i = 0; i < 2; ++i)
        weight[start + *rc::gen::inRange<size_t>(0, 4)] = *rc::gen::arbitrary<Bits>();
    }
    return weight;
  });
}

CATCH_TEST_CASE("packed sizes are those of the format", "[packed_matrix]") {
  CATCH_CHECK(packed_value_columns(768) == 384);
  CATCH_CHECK(packed_position_columns(768) == 96);
  CATCH_CHECK(packed_value_columns(12) == 6);
  CATCH_CHECK(packed_position_columns(12) == 2);
  CATCH_CHECK(packed_value_columns(0) == 0);
  CATCH_CHECK(packed_position_columns(0) == 0);
}

CATCH_TEMPLATE_TEST_CASE("packing keeps the non-zeros in column order with their positions",
                         "[packed_matrix]", uint16_t, uint32_t) {
  const std::vector<TestType> weight = {0, 5, 0, 6, 7, 8, 0, 0, 0, 0, 9, 3,   // columns 1, 3; 0, 1; 2, 3
                                        1, 0, 2, 0, 0, 3, 4, 0, 5, 0, 0, 6};  // columns 0, 2; 1, 2; 0, 3
  const auto result = packed(weight, 2, 12);
  CATCH_CHECK(result.values == std::vector<TestType>{5, 6, 7, 8, 9, 3, 1, 2, 3, 4, 5, 6});
  CATCH_CHECK(result.positions == Bytes{0x4d, 0x0e, 0x98, 0x0c});
  CATCH_CHECK(result.lost == 0);
  CATCH_CHECK(unpacked(result, 2, 12) == weight);
}

CATCH_TEMPLATE_TEST_CASE("spare slots go to -0.0 first, then to the lowest columns", "[packed_matrix]",
                         uint16_t, uint32_t) {
  struct Case {
    std::vector<TestType> group;
    uint8_t positions;
    int64_t lost;
  };
  constexpr TestType n = kNegativeZero<TestType>;
  const std::vector<Case> cases = {
      {{0, 0, 0, 0}, 0x4, 0}, {{0, 0, 0, 9}, 0xc, 0}, {{0, 9, 0, 0}, 0x4, 0}, {{9, 0, 0, 0}, 0x4, 0},
      {{0, 0, 0, n}, 0xc, 0}, {{0, 0, n, n}, 0xe, 0}, {{n, 0, n, n}, 0x8, 1}, {{n, n, n, n}, 0x4, 2},
      {{0, n, 9, n}, 0x9, 1}, {{0, 0, 9, n}, 0xe, 0}, {{n, 9, 9, n}, 0x9, 2}, {{9, 0, n, 0}, 0x8, 0},
  };
  for (const auto& [group, positions, lost] : cases) {
    const auto result = packed(group, 1, 4);
    CATCH_CHECK(result.positions == Bytes{positions});
    CATCH_CHECK(result.lost == lost);
  }
}

CATCH_TEMPLATE_TEST_CASE("unpacking returns every bit but those of pruned -0.0", "[packed_matrix]", uint16_t,
                         uint32_t) {
  CATCH_CHECK(rc::check([] {
    const auto rows = *rc::gen::inRange<int64_t>(0, 5);
    const auto cols = 4 * *rc::gen::inRange<int64_t>(0, 8);
    const auto weight = *any_sparse<TestType>(rows * cols);
    RC_ASSERT(!dense_group(weight, rows, cols));
    const auto result = packed(weight, rows, cols);
    RC_ASSERT(positions_valid(result.positions.data(), rows, cols));
    const auto back = unpacked(result, rows, cols);
    int64_t lost = 0;
    for (size_t i = 0; i < weight.size(); ++i) {
      if (back[i] == weight[i]) continue;
      RC_ASSERT(weight[i] == kNegativeZero<TestType>);
      RC_ASSERT(back[i] == 0);
      ++lost;
    }
    RC_ASSERT(result.lost == lost);
  }));
}

CATCH_TEMPLATE_TEST_CASE("unpacking writes zeros over what was there", "[packed_matrix]", uint16_t,
                         uint32_t) {
  const Packed<TestType> packed_form{{1, 2, 3, 4}, {0xe4}};
  CATCH_CHECK(unpacked(packed_form, 1, 8) == std::vector<TestType>{1, 2, 0, 0, 0, 0, 3, 4});
}

CATCH_TEMPLATE_TEST_CASE("the first group that is too dense is named", "[packed_matrix]", uint16_t,
                         uint32_t) {
  constexpr TestType n = kNegativeZero<TestType>;
  constexpr auto nan = std::numeric_limits<TestType>::max();
  std::vector<TestType> weight(2 * 12, 0);
  const auto set = [&weight](size_t start, const std::vector<TestType>& group) {
    std::copy(group.begin(), group.end(), weight.begin() + static_cast<std::ptrdiff_t>(start));
  };
  set(0, {1, n, n, 1});
  set(4, {n, n, n, n});
  CATCH_CHECK_FALSE(dense_group(weight, 2, 12));
  set(20, {1, 1, 1, 1});
  auto found = dense_group(weight, 2, 12);
  CATCH_REQUIRE(found);
  CATCH_CHECK((found->row == 1 && found->column == 8 && found->nonzeros == 4));
  set(8, {nan, 0, 1, static_cast<TestType>(n | 1)});  // NaN and a subnormal are not zero
  found = dense_group(weight, 2, 12);
  CATCH_REQUIRE(found);
  CATCH_CHECK((found->row == 0 && found->column == 8 && found->nonzeros == 3));
}

CATCH_TEST_CASE("only ascending pairs of positions are valid", "[packed_matrix]") {
  const std::set<int> pairs = {0x4, 0x8, 0xc, 0x9, 0xd, 0xe};  // 0 1, 0 2, 0 3, 1 2, 1 3, 2 3
  for (int byte = 0; byte < 256; ++byte) {
    CATCH_CAPTURE(byte);
    const bool low = pairs.count(byte & 15) == 1;
    const bool high = pairs.count(byte >> 4) == 1;
    const Bytes full = {0x44, static_cast<uint8_t>(byte), 0x44, 0x44};
    CATCH_CHECK(positions_valid(full.data(), 2, 16) == (low && high));
    const Bytes odd = {0x44, 0x04, 0x44, static_cast<uint8_t>(byte)};
    CATCH_CHECK(positions_valid(odd.data(), 2, 12) == (low && byte >> 4 == 0));
  }
  CATCH_CHECK(positions_valid(nullptr, 0, 12));
}

}  // namespace
}  // namespace prune2to4
