// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "prune2to4/training_report.h"

namespace prune2to4 {

// A run's curves as a checkpoint holds them.
nlohmann::json points_json(const std::vector<TrainingPoint>& points);
nlohmann::json epochs_json(const std::vector<TrainingEpoch>& epochs);

// Adds those in `state` at "points" and "epochs" to `run`.
void read_curves(const nlohmann::json& state, TrainingRun& run);

// NaN for null, which is how JSON has it.
double number(const nlohmann::json& json);

}  // namespace prune2to4
