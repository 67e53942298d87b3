// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/comm.h"
#include "prune2to4/mask.h"
#include "prune2to4/recipe.h"
#include "prune2to4/squad_metric.h"
#include "prune2to4/tokenized_squad.h"
#include "prune2to4/training_report.h"

namespace prune2to4 {

// A weight that is held under a mask.
struct PrunedWeight {
  std::string name;
  MaskOptions mask;
};

struct CheckpointOptions {
  std::filesystem::path file;  // empty: none is written. The one before it is kept as FILE.previous
  int64_t every = 0;           // steps; 0: at the end of each epoch
  bool resume = false;         // go on from the newest of the two that is whole, if there is one
  std::string model_sha256;    // what a checkpoint must belong to, beside data, recipe and pruned layers
  std::string data_sha256;
};

struct TrainOptions {
  std::string name;  // of the run: "sparse"
  Recipe recipe;
  at::Device device = at::kCPU;
  bool deterministic = false;  // the same bits each time, also on a GPU: nothing is captured, slower kernels
  int64_t max_nan_steps =
      10;  // steps in a row without a finite loss before training goes back, then gives up
  CheckpointOptions checkpoint;
  std::filesystem::path
      teacher_cache;  // the teacher's logits: read when they are of this teacher and data, else written
  std::string teacher_name;                  // for the report
  std::string teacher_sha256;                // of all teachers
  std::vector<torch::jit::Module> teachers;  // on the CPU; empty: no distillation
  Comm* comm = nullptr;                      // none: one process
  // F1 and EM of the module in its present state; called after each epoch, on every rank.
  std::function<MeanScore(const torch::jit::Module&)> evaluate;
  // Called after each step that is done, with its number; for progress elsewhere and tests.
  std::function<void(int64_t)> on_step;
};

// Trains every parameter that `forward` reads, in fp32, and leaves the result in the module's own tensors,
// which are fp32 or converted to their dtype at the end. `module` is one inlined graph on the CPU
// (InlinedModel::rewrite). Weights in `pruned` end with exactly the zeros of their masks: one-shot masks are
// made from the weights as they come, gradual ones along the way.
//
// AdamW (Loshchilov and Hutter, 2019; at::_fused_adamw_) on the labels' cross-entropy and the teacher's KL
// divergence (Hinton et al., 2015), with the padding's logits left out, so that neither depends on how much a
// batch is padded.
//
// Data without labels is learned from teachers alone: distill_weight must be 1.
//
// Throws Error: kUsage for a checkpoint of another run or a recipe that this model cannot follow, kData for
// data without labels or beyond the model, kModel when forward fails, kDevice when memory ends, kDiverged
// when the loss stays non-finite, and Interrupted after a signal, when the checkpoint is written.
TrainingRun train(torch::jit::Module& module, const std::vector<PrunedWeight>& pruned,
                  const TokenizedSquad& data, const TrainOptions& options);

// The generation before the newest, beside the file that the newest one's name leads to.
std::filesystem::path previous_checkpoint(const std::filesystem::path& file);

// Removes both generations of a checkpoint, of a run whose result is written.
void remove_checkpoint(const std::filesystem::path& file);

}  // namespace prune2to4
