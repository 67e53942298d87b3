// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/divergence.h"

#include <algorithm>
#include <cmath>

#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

constexpr int64_t kLastSteps = 3;
constexpr size_t kCurveParts = 10;

std::string steps_of(int64_t count, int64_t all) {
  return std::to_string(count) + " of its " + std::to_string(all) + (all == 1 ? " step" : " steps");
}

// The mean of one of the curves over `count` points from `first` on.
double mean_loss(const TrainingRun& run, double TrainingPoint::*curve, size_t first, size_t count) {
  double sum = 0;
  for (size_t i = first; i < first + count; ++i) sum += run.points[i].*curve;
  return sum / static_cast<double>(count);
}

}  // namespace

void StepTally::add(bool was_skipped, double loss) {
  ++(was_skipped ? skipped : taken);
  skipped_in_a_row = was_skipped ? skipped_in_a_row + 1 : 0;
  last_loss = loss;
}

std::string why_diverged(const StepTally& steps) {
  const int64_t all = steps.taken + steps.skipped;
  if (all == 0) return "";
  if (steps.skipped > steps.taken) {
    return steps_of(steps.skipped, all) + " had no finite loss or gradient and were skipped";
  }
  if (steps.skipped_in_a_row >= std::min(kLastSteps, all)) {
    return "the last " + steps_of(steps.skipped_in_a_row, all) +
           " had no finite loss or gradient and were skipped";
  }
  return std::isfinite(steps.last_loss) ? "" : "the loss of its last step was not finite";
}

std::string worse_loss_warning(const TrainingRun& run) {
  if (run.points.size() < 2) return "";
  const bool labelled = std::any_of(run.points.begin(), run.points.end(),
                                    [](const TrainingPoint& point) { return point.label_loss != 0; });
  const auto curve = labelled ? &TrainingPoint::label_loss : &TrainingPoint::distill_loss;
  const size_t count = std::max<size_t>(1, run.points.size() / kCurveParts);
  const double first = mean_loss(run, curve, 0, count);
  const double last = mean_loss(run, curve, run.points.size() - count, count);
  if (last <= kWorseFactor * first + kWorseMargin) return "";
  return "training made '" + run.name + "' worse: its loss " +
         (labelled ? "on the labels" : "against the teacher") + " began at " + format_number(first, 3) +
         " and ended at " + format_number(last, 3) + "; lower --learning-rate";
}

std::string worse_f1_warning(const std::string& before_name, double before, double after, double tolerance) {
  if (after >= before - tolerance) return "";
  return "training made the model worse: F1 fell from " + format_fixed(before, 2) + " (" + before_name +
         ") to " + format_fixed(after, 2) + "; lower --learning-rate, or train longer";
}

}  // namespace prune2to4
