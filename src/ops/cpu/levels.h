// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "ops/cpu/kernels.h"

namespace prune2to4::cpu {

struct Level {
  std::string_view name;  // in PRUNE2TO4_CPU
  bool runs;              // on this CPU
  const Kernels& (*kernels)();
};

// The best first.
std::vector<Level> levels();

}  // namespace prune2to4::cpu
