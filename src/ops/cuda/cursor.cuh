// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cute/config.hpp>

#include <cstdint>

namespace prune2to4 {

// A place in a ring, and how often it was gone round.
template <int kCount>
struct Cursor {
  int slot = 0;
  uint32_t phase = 0;

  CUTE_DEVICE void advance() {
    if (++slot == kCount) {
      slot = 0;
      phase ^= 1;
    }
  }
};

}  // namespace prune2to4
