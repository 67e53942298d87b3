// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "prune2to4/training_report.h"

namespace prune2to4 {

// The optimizer steps behind a model's present state; steps that training went back behind are not among
// them.
struct StepTally {
  int64_t taken = 0;
  int64_t skipped = 0;           // because the loss or a gradient was not finite
  int64_t skipped_in_a_row = 0;  // up to the last step
  double last_loss = 0;          // of the last step, skipped or not

  void add(bool was_skipped, double loss);
};

// Why such steps make no result, as a clause; empty when they may. More steps were skipped than taken, the
// last three (or all, if there were fewer) were skipped, or the last loss is not finite. An fp16 loss scale
// that is too large costs single steps and, at a run's start, a few in a row; neither is divergence.
std::string why_diverged(const StepTally& steps);

// A warning when the run ended far worse than it began; else empty. The cross-entropy of the labels, or
// without labels the distillation loss, is then above kWorseFactor times its first value plus kWorseMargin,
// both as means over a tenth of the curve's points. The margin is for losses that begin near 0, as a model's
// does that teaches itself.
constexpr double kWorseFactor = 1.5;
constexpr double kWorseMargin = 0.5;
std::string worse_loss_warning(const TrainingRun& run);

// A warning when a model's F1 (0 to 100) is more than `tolerance` below that of the model which training
// began with.
std::string worse_f1_warning(const std::string& before_name, double before, double after, double tolerance);

}  // namespace prune2to4
