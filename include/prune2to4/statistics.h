// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace prune2to4 {

// Of repeated measurements, in their unit. Percentiles between two samples are interpolated, as NumPy does.
struct Statistics {
  int64_t count = 0;
  double median = 0;
  double p90 = 0;
  double p99 = 0;
  double min = 0;
  double max = 0;
  double spread = 0;  // (p75 - p25) / median
};

// In any order; NaN throughout for no samples.
Statistics statistics(std::vector<double> samples);

// The larger of two differences; NaN when one of them is.
double worse(double a, double b);

}  // namespace prune2to4
