// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace prune2to4 {
namespace {

// `sorted` is not empty; 0 <= share <= 1.
double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Statistics statistics(std::vector<double> samples) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (samples.empty()) return {0, kNone, kNone, kNone, kNone, kNone, kNone};
  std::sort(samples.begin(), samples.end());
  const double median = percentile(samples, 0.5);
  const double middle_half = percentile(samples, 0.75) - percentile(samples, 0.25);
  return {static_cast<int64_t>(samples.size()),
          median,
          percentile(samples, 0.9),
          percentile(samples, 0.99),
          samples.front(),
          samples.back(),
          middle_half / median};
}

double worse(double a, double b) { return std::isnan(a) || a >= b ? a : b; }

}  // namespace prune2to4
