// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "prune2to4/training_report.h"

namespace prune2to4 {

// Two epochs of 100 steps, a point every 50 steps, scores after each epoch.
inline TrainingRun sample_run(const std::string& name) {
  TrainingRun run;
  run.name = name;
  run.data = "train.safetensors";
  run.data_sha256 = std::string(64, 'e');
  run.windows = 3200;
  run.steps = 200;
  run.skipped_steps = 1;
  run.seconds = 8;
  run.windows_per_second = 800;
  run.peak_bytes = 3 << 20;
  run.engine = "interpreter";
  run.teacher = "the dense model itself";
  run.dropout_places = 25;
  run.recipe = {{"epochs", "2"}, {"batch_size", "16"}, {"accumulate", "2"}, {"learning_rate", "0.001"}};
  run.points = {{50, 0.5, 4, 4.5, 3.5, 1e-3, 2.5},
                {100, 1, 2, 2.5, 1.5, 7.5e-4, 1.5},
                {150, 1.5, 1.5, 2, 1, 5e-4, 1.25},
                {200, 2, 1, 1.5, 0.5, 2.5e-4, 1}};
  run.epochs = {{1, 100, 3, 4.25, MeanScore{4000, 50.5, 60.25}, 0.5},
                {2, 200, 1.25, 3.75, MeanScore{4000, 61, 72.125}, 0.5}};
  return run;
}

}  // namespace prune2to4
