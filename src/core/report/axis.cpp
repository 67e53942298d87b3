// SPDX-License-Identifier: Apache-2.0
#include "core/report/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace prune2to4 {
namespace {

constexpr double kLargest = 1e30;
constexpr double kSmallestSpan = 1e-9;  // of the larger end

double nice_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - kSmallestSpan)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

bool drawable(double value) { return std::isfinite(value) && std::fabs(value) <= kLargest; }

Axis nice_axis(double low, double high, int wanted) {
  const double size = std::max(std::fabs(low), std::fabs(high));
  if (size < 1 / kLargest) return {0, 1, {0, 1}};
  if (high - low < kSmallestSpan * size) {
    low -= size / 10;
    high += size / 10;
  }
  const double step = nice_step((high - low) / wanted);
  const auto first = static_cast<int64_t>(std::floor(low / step + kSmallestSpan));
  const auto last = static_cast<int64_t>(std::ceil(high / step - kSmallestSpan));
  Axis axis;
  for (int64_t tick = first; tick <= last; ++tick) axis.ticks.push_back(static_cast<double>(tick) * step);
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  return axis;
}

}  // namespace prune2to4
