// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>

namespace prune2to4 {

static_assert(std::endian::native == std::endian::little, "the formats read here are little-endian");

// Precondition: offset + sizeof(T) <= bytes.size(). Any alignment.
template <typename T>
T load_little_endian(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace prune2to4
