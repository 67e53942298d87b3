// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "commands/calibration.h"
#include "commands/evaluation_data.h"
#include "commands/training.h"
#include "prune2to4/commands.h"
#include "prune2to4/report.h"
#include "prune2to4/sensitivity.h"

namespace prune2to4 {

// Whether --sensitivity is on, by itself or by --skip-worst. Throws Error(kUsage) when it has no text to run.
bool wants_sensitivity(const PruneOptions& options);

// Measures what each chosen layer costs, on the questions of --eval or else on windows of --calibrate, tells
// the report, and takes the layers of --skip-worst out of `choices`. `questions` and `calibration`: null
// without these options, but not both.
void measure_costs(const PruneOptions& options, const InlinedModel& model,
                   const CalibratedWeights& calibrated, const EvaluationInput* questions,
                   const Calibration* calibration, Ranks& ranks, std::vector<LayerChoice>& choices,
                   Report& report);

}  // namespace prune2to4
