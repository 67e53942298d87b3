// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

namespace prune2to4 {

// The bit patterns of the weight dtypes. Magnitudes (sign bit cleared) order like |w|, with NaN on top.
struct Float32 {
  using Bits = uint32_t;
  static constexpr Bits kMagnitude = 0x7fffffffu;
  static constexpr Bits kInfinity = 0x7f800000u;
  static float to_float(Bits bits) { return std::bit_cast<float>(bits); }
};

struct BFloat16 {
  using Bits = uint16_t;
  static constexpr Bits kMagnitude = 0x7fff;
  static constexpr Bits kInfinity = 0x7f80;
  static float to_float(Bits bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

struct Float16 {
  using Bits = uint16_t;
  static constexpr Bits kMagnitude = 0x7fff;
  static constexpr Bits kInfinity = 0x7c00;

  // Shifts exponent and mantissa into place and rebias by a multiplication, which is exact and covers
  // subnormals; infinity and NaN need the exponent widened.
  static float to_float(Bits bits) {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(bits & kMagnitude) << 13;
    constexpr float kRebias = 0x1p112f;  // 2^(127 - 15)
    const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * kRebias);
    const uint32_t special = magnitude | 0x7f800000u;
    return std::bit_cast<float>(sign | ((bits & kMagnitude) < kInfinity ? finite : special));
  }
};

}  // namespace prune2to4
