// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

namespace prune2to4 {

// The portable packed form of a 2:4 matrix [rows, cols], cols % 4 == 0. No GPU's layout; each backend makes
// its own from it.
//
//   values     [rows, cols / 2]        the two kept elements of each group of four, in column order, to the
//   bit positions  [rows, ceil(cols / 8)]  uint8; the group g of a row takes bits 4 * (g % 2) .. + 3 of byte
//   g / 2:
//                                      the low two bits are the first kept column (0..3) within the group,
//                                      the high two the second, first < second; an unused last nibble is 0
//
// 9/16 of the dense bytes for 16-bit elements, 17/32 for 32-bit ones. A group keeps its non-zero elements;
// where it has fewer than two, spare slots go to -0.0 first, then to the lowest columns left.

inline constexpr int64_t packed_value_columns(int64_t cols) { return cols / 2; }
inline constexpr int64_t packed_position_columns(int64_t cols) { return (cols + 7) / 8; }

// The first group of four (row-major order) that has more than two non-zero elements (NaN is non-zero).
struct DenseGroup {
  int64_t row = 0;
  int64_t column = 0;  // of the group's first element
  int nonzeros = 0;
};

// Element sizes are 2 (float16, bfloat16) or 4 (float32) bytes; zero means +0.0 or -0.0.
std::optional<DenseGroup> find_dense_group(const void* weight, int64_t element_size, int64_t rows,
                                           int64_t cols);

// Precondition: find_dense_group() found none. Returns how many pruned -0.0 will read back as +0.0.
int64_t pack(const void* weight, int64_t element_size, int64_t rows, int64_t cols, void* values,
             uint8_t* positions);

// Writes all rows * cols elements of `weight`. Precondition: positions_valid().
void unpack(const void* values, const uint8_t* positions, int64_t element_size, int64_t rows, int64_t cols,
            void* weight);

// Whether each group's positions ascend and unused bits are 0: to be asked of positions read from a file.
bool positions_valid(const uint8_t* positions, int64_t rows, int64_t cols);

}  // namespace prune2to4
