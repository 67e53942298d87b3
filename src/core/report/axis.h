// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace prune2to4 {

// An axis of a chart, from its first tick to its last one.
struct Axis {
  double low = 0;
  double high = 1;
  std::vector<double> ticks;

  double share(double value) const { return (value - low) / (high - low); }  // 0..1
};

// Whether a chart can show it: finite, and no larger than any axis is made for.
bool drawable(double value);

// Ticks at 1, 2 or 5 times a power of ten around [low, high], both drawable; about `wanted` of them, at least
// two.
Axis nice_axis(double low, double high, int wanted);

}  // namespace prune2to4
