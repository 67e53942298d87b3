// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/packed_matrix.h"

#include <array>
#include <bit>
#include <cstddef>
#include <limits>

namespace prune2to4 {
namespace {

// What to do with a group of four, by which of its elements are non-zero (bits 0..3) and which are -0.0
// (bits 4..7).
struct GroupCode {
  uint8_t positions = 0;      // the nibble of the packed form
  uint8_t negative_lost = 0;  // pruned -0.0
};

constexpr GroupCode group_code(unsigned nonzero, unsigned negative_zero) {
  unsigned kept = 0;
  for (const unsigned candidates : {nonzero, negative_zero, 0xfu}) {
    for (unsigned i = 0; i < 4; ++i) {
      if ((candidates >> i & 1u) != 0 && std::popcount(kept) < 2) kept |= 1u << i;
    }
  }
  const auto first = static_cast<unsigned>(std::countr_zero(kept));
  const auto second = static_cast<unsigned>(std::bit_width(kept)) - 1;
  return {static_cast<uint8_t>(second << 2 | first),
          static_cast<uint8_t>(std::popcount(negative_zero & ~kept))};
}

constexpr std::array<GroupCode, 256> make_group_codes() {
  std::array<GroupCode, 256> codes{};
  for (unsigned i = 0; i < 256; ++i) codes[i] = group_code(i & 0xf, i >> 4 & ~i);
  return codes;
}

constexpr std::array<GroupCode, 256> kGroupCodes = make_group_codes();

template <class Bits>
constexpr Bits kMagnitude = std::numeric_limits<Bits>::max() >> 1;

template <class Bits>
bool is_nonzero(Bits bits) {
  return (bits & kMagnitude<Bits>) != 0;
}

template <class Bits>
GroupCode code_of(const Bits* group) {
  unsigned index = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned nonzero = is_nonzero(group[i]);
    const unsigned negative_zero = group[i] == static_cast<Bits>(kMagnitude<Bits> + 1);
    index |= nonzero << i | negative_zero << (i + 4);
  }
  return kGroupCodes[index];
}

template <class Bits>
int count_nonzeros(const Bits* group) {
  return is_nonzero(group[0]) + is_nonzero(group[1]) + is_nonzero(group[2]) + is_nonzero(group[3]);
}

template <class Bits>
std::optional<DenseGroup> find_dense(const Bits* weight, int64_t rows, int64_t cols) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < cols; column += 4) {
      const int nonzeros = count_nonzeros(weight + row * cols + column);
      if (nonzeros > 2) return DenseGroup{row, column, nonzeros};
    }
  }
  return std::nullopt;
}

// Writes two values; returns the group's code.
template <class Bits>
GroupCode pack_group(const Bits* group, Bits* values) {
  const GroupCode code = code_of(group);
  values[0] = group[code.positions & 3u];
  values[1] = group[code.positions >> 2];
  return code;
}

template <class Bits>
int64_t pack_row(const Bits* weight, int64_t cols, Bits* values, uint8_t* positions) {
  int64_t lost = 0;
  int64_t column = 0;
  for (; column + 8 <= cols; column += 8) {
    const GroupCode low = pack_group(weight + column, values + column / 2);
    const GroupCode high = pack_group(weight + column + 4, values + column / 2 + 2);
    positions[column / 8] = static_cast<uint8_t>(high.positions << 4 | low.positions);
    lost += low.negative_lost + high.negative_lost;
  }
  if (column < cols) {
    const GroupCode last = pack_group(weight + column, values + column / 2);
    positions[column / 8] = last.positions;
    lost += last.negative_lost;
  }
  return lost;
}

template <class Bits>
int64_t pack_rows(const Bits* weight, int64_t rows, int64_t cols, Bits* values, uint8_t* positions) {
  int64_t lost = 0;
  for (int64_t row = 0; row < rows; ++row) {
    lost += pack_row(weight + row * cols, cols, values + row * packed_value_columns(cols),
                     positions + row * packed_position_columns(cols));
  }
  return lost;
}

template <class Bits>
void unpack_group(const Bits* values, unsigned positions, Bits* group) {
  for (int i = 0; i < 4; ++i) group[i] = 0;
  group[positions & 3u] = values[0];
  group[positions >> 2 & 3u] = values[1];
}

template <class Bits>
void unpack_rows(const Bits* values, const uint8_t* positions, int64_t rows, int64_t cols, Bits* weight) {
  for (int64_t row = 0; row < rows; ++row) {
    const Bits* row_values = values + row * packed_value_columns(cols);
    const uint8_t* row_positions = positions + row * packed_position_columns(cols);
    Bits* row_weight = weight + row * cols;
    int64_t column = 0;
    for (; column + 8 <= cols; column += 8) {
      const unsigned byte = row_positions[column / 8];
      unpack_group(row_values + column / 2, byte, row_weight + column);
      unpack_group(row_values + column / 2 + 2, byte >> 4, row_weight + column + 4);
    }
    if (column < cols) unpack_group(row_values + column / 2, row_positions[column / 8], row_weight + column);
  }
}

constexpr bool ascends(unsigned nibble) { return (nibble & 3u) < nibble >> 2; }

}  // namespace

std::optional<DenseGroup> find_dense_group(const void* weight, int64_t element_size, int64_t rows,
                                           int64_t cols) {
  return element_size == 4 ? find_dense(static_cast<const uint32_t*>(weight), rows, cols)
                           : find_dense(static_cast<const uint16_t*>(weight), rows, cols);
}

int64_t pack(const void* weight, int64_t element_size, int64_t rows, int64_t cols, void* values,
             uint8_t* positions) {
  if (element_size == 4) {
    return pack_rows(static_cast<const uint32_t*>(weight), rows, cols, static_cast<uint32_t*>(values),
                     positions);
  }
  return pack_rows(static_cast<const uint16_t*>(weight), rows, cols, static_cast<uint16_t*>(values),
                   positions);
}

void unpack(const void* values, const uint8_t* positions, int64_t element_size, int64_t rows, int64_t cols,
            void* weight) {
  if (element_size == 4) {
    unpack_rows(static_cast<const uint32_t*>(values), positions, rows, cols, static_cast<uint32_t*>(weight));
  } else {
    unpack_rows(static_cast<const uint16_t*>(values), positions, rows, cols, static_cast<uint16_t*>(weight));
  }
}

bool positions_valid(const uint8_t* positions, int64_t rows, int64_t cols) {
  const int64_t bytes = packed_position_columns(cols);
  const bool odd = cols % 8 != 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < bytes; ++i) {
      const unsigned byte = positions[row * bytes + i];
      const bool unused_half = odd && i + 1 == bytes;
      if (!ascends(byte & 0xfu) || (unused_half ? byte >> 4 != 0 : !ascends(byte >> 4))) return false;
    }
  }
  return true;
}

}  // namespace prune2to4
