// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace prune2to4 {

// What became of a threshold that the user set.
struct GateResult {
  std::string name;      // the option that set it: "min-f1", "max-latency-ms", ...
  double threshold = 0;  // in the option's unit
  double value = 0;
  bool passed = false;
  std::string message;  // one line: by how much it was missed or met
};

}  // namespace prune2to4
