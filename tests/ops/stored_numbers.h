// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "ops/cpu/kernels.h"

// Numbers in memory of just their size, for the kernels' tests without Torch.
namespace prune2to4::cpu {

inline size_t size(int64_t count) { return static_cast<size_t>(count); }

class Random {
 public:
  int64_t below(int64_t end) { return static_cast<int64_t>(generator_() % static_cast<uint64_t>(end)); }
  // Of numbers that bf16 has too, and whose products add up without rounding.
  std::vector<float> numbers(int64_t count) {
    std::vector<float> made(size(count));
    for (float& number : made) number = static_cast<float>(below(17) - 8) / 4;
    return made;
  }

 private:
  std::mt19937 generator_{11};
};

using Bytes = std::vector<std::byte>;

inline Bytes stored(const std::vector<float>& numbers, Element element) {
  const size_t each = element == Element::kFloat ? 4 : 2;
  Bytes bytes(numbers.size() * each);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(numbers[i]);
    const auto upper = static_cast<uint16_t>(bits >> 16);
    std::memcpy(bytes.data() + i * each, each == 4 ? static_cast<const void*>(&bits) : &upper, each);
  }
  return bytes;
}

inline double read(const Bytes& bytes, int64_t at, Element element) {
  uint32_t bits = 0;
  if (element == Element::kFloat) {
    std::memcpy(&bits, bytes.data() + 4 * at, 4);
  } else {
    uint16_t upper = 0;
    std::memcpy(&upper, bytes.data() + 2 * at, 2);
    bits = static_cast<uint32_t>(upper) << 16;
  }
  return std::bit_cast<float>(bits);
}

}  // namespace prune2to4::cpu
