// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "prune2to4/training_report.h"

namespace prune2to4 {

// Step and value; a value that is not drawable is a gap.
using Curve = std::vector<std::pair<double, double>>;

Curve curve_of(const TrainingRun& run, double TrainingPoint::*number);
Curve score_curve(const TrainingRun& run);  // F1 in per cent at the ends of the epochs that have one

// At most a few hundred points: means of neighbours where there are more.
Curve thinned(const Curve& curve);
// Of so many points a moving mean shows more than the curve.
inline constexpr size_t kLongCurve = 60;
// The moving mean of a long curve; at its end the mean of the last points. Gaps stay.
Curve smoothed(const Curve& curve);
Curve drawable_part(const Curve& curve);

// The least and the largest drawable value; none without any.
std::optional<std::pair<double, double>> value_range(const std::vector<Curve>& curves);
// Of all points and epochs; 0 without any.
double last_step(const std::vector<TrainingRun>& runs);

}  // namespace prune2to4
