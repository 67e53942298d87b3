// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "prune2to4/comm.h"
#include "prune2to4/evaluate.h"
#include "prune2to4/prune_layers.h"
#include "prune2to4/report.h"

namespace prune2to4 {

// What the models are asked.
struct SensitivityText {
  const TokenizedSquad& data;
  std::vector<int64_t> windows;
  std::optional<Questions> questions;  // whose windows these are, to be scored; none: logits only
};

struct SensitivityOptions {
  at::Device device = at::kCPU;
  int64_t batch_tokens = 0;  // of a forward pass, padding included; 0: any number
  bool allow_nonfinite = false;
  Comm* comm = nullptr;  // every rank measures all, and has rank 0's numbers; nullptr: one process
};

struct Sensitivity {
  std::optional<double> dense_f1;  // per cent
  std::vector<LayerCost> layers;   // see SensitivityReport::layers
};

// What each of the chosen layers costs when it alone is pruned, as mask_layers() would prune it. The model
// stays as it is, and is on the device once: one weight at a time changes places with its pruned form. The
// interpreter runs it, since the encoder engine has weights of its own.
// Throws what Runner, run_batches() and mask_layers() throw.
Sensitivity measure_sensitivity(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                const CalibratedWeights& calibrated, const SensitivityText& text,
                                const SensitivityOptions& options);

// Throws Error(kUsage) when leaving out `count` of so many groups (pruned_groups) leaves none to prune.
void check_skip_worst(int64_t count, size_t groups);

// Marks the first `count` of the costs as skipped and leaves their layers out of `choices`, with a rule that
// says so. Throws as check_skip_worst() does.
void skip_worst(const InlinedModel& model, int64_t count, std::vector<LayerCost>& costs,
                std::vector<LayerChoice>& choices);

}  // namespace prune2to4
