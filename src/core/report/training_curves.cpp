// SPDX-License-Identifier: Apache-2.0
#include "core/report/training_curves.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <span>

#include "core/report/axis.h"

namespace prune2to4 {
namespace {

constexpr size_t kMostPoints = 400;
constexpr size_t kSmoothing = 40;  // a mean reaches 1 / kSmoothing of the curve to each side

// Of the drawable values; a gap when there are none.
double mean_value(std::span<const Curve::value_type> points) {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [step, value] : points) {
    if (!drawable(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

Curve curve_of(const TrainingRun& run, double TrainingPoint::*number) {
  Curve curve;
  for (const auto& point : run.points) curve.emplace_back(point.step, point.*number);
  return curve;
}

Curve score_curve(const TrainingRun& run) {
  Curve curve;
  for (const auto& epoch : run.epochs) {
    if (epoch.score && drawable(epoch.score->f1)) curve.emplace_back(epoch.step, epoch.score->f1);
  }
  return curve;
}

Curve thinned(const Curve& curve) {
  if (curve.size() <= kMostPoints) return curve;
  Curve result;
  for (size_t bucket = 0; bucket < kMostPoints; ++bucket) {
    const size_t begin = bucket * curve.size() / kMostPoints;
    const size_t end = (bucket + 1) * curve.size() / kMostPoints;
    result.emplace_back(curve[end - 1].first, mean_value(std::span(curve).subspan(begin, end - begin)));
  }
  return result;
}

Curve smoothed(const Curve& curve) {
  if (curve.size() < kLongCurve) return curve;
  Curve result = curve;
  for (size_t i = 0; i < curve.size(); ++i) {
    if (!drawable(curve[i].second)) continue;
    const size_t before = std::min(curve.size() / kSmoothing, i);
    const size_t after = std::min(before, curve.size() - 1 - i);
    result[i].second = mean_value(std::span(curve).subspan(i - before, before + 1 + after));
  }
  return result;
}

Curve drawable_part(const Curve& curve) {
  Curve result;
  std::copy_if(curve.begin(), curve.end(), std::back_inserter(result),
               [](const auto& point) { return drawable(point.second); });
  return result;
}

std::optional<std::pair<double, double>> value_range(const std::vector<Curve>& curves) {
  std::optional<std::pair<double, double>> range;
  for (const auto& curve : curves) {
    for (const auto& [step, value] : drawable_part(curve)) {
      if (!range) range = {value, value};
      range->first = std::min(range->first, value);
      range->second = std::max(range->second, value);
    }
  }
  return range;
}

double last_step(const std::vector<TrainingRun>& runs) {
  int64_t last = 0;
  for (const auto& run : runs) {
    for (const auto& point : run.points) last = std::max(last, point.step);
    for (const auto& epoch : run.epochs) last = std::max(last, epoch.step);
  }
  return static_cast<double>(last);
}

}  // namespace prune2to4
