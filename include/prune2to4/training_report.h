// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/squad_metric.h"

namespace prune2to4 {

// A point of the curves: the mean over the steps since the last point.
struct TrainingPoint {
  int64_t step = 0;          // optimizer steps done, the skipped ones included
  double epoch = 0;          // windows seen / windows of the data
  double loss = 0;           // all of it
  double label_loss = 0;     // cross-entropy of start and end, halved
  double distill_loss = 0;   // KL, times T * T; 0 without a teacher
  double learning_rate = 0;  // of the last step
  double gradient_norm = 0;  // before clipping; NaN and infinity of skipped steps left out
};

struct TrainingEpoch {
  int64_t epoch = 0;  // 1: the first
  int64_t step = 0;   // at its end
  double loss = 0;    // mean over the epoch
  double seconds = 0;
  std::optional<MeanScore> score;  // with --eval
  double sparsity = 0;             // zeros / elements of the pruned layers; 0 without any
};

// One training run: of the sparse model, of the dense one (`finetune`), or of the control.
struct TrainingRun {
  std::string name;  // "sparse", "dense", "dense + same budget"
  std::string data;  // file name only
  std::string data_sha256;
  int64_t windows = 0;        // of the data
  int64_t steps = 0;          // optimizer steps, the skipped ones included
  int64_t skipped_steps = 0;  // whose loss or gradients were not finite
  int64_t resumed_at = 0;     // step of the checkpoint that this run went on from; 0: none
  int64_t restarts = 0;       // times that divergence sent it back to a checkpoint with half the rate
  double seconds = 0;         // of the steps, without evaluation and checkpoints
  double windows_per_second = 0;
  int64_t peak_bytes = 0;  // of the device's memory; of the process on a CPU
  int64_t ranks = 1;
  std::string engine;   // "encoder (padding removed)" or "interpreter", and why
  std::string teacher;  // "the dense model itself (logits computed once, 8.1 s)"; empty: none
  int64_t dropout_places = 0;
  std::vector<std::pair<std::string, std::string>> recipe;  // recipe_values()
  std::vector<TrainingPoint> points;
  std::vector<TrainingEpoch> epochs;
};

}  // namespace prune2to4
