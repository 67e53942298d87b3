// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "prune2to4/recipe.h"

namespace prune2to4 {

// Steps of a run, and what changes along them. Steps count from 0.
struct Schedule {
  int64_t steps_per_epoch = 0;
  int64_t planned = 0;  // that `epochs` asks for: what the learning rate's course spans
  int64_t steps = 0;    // that are done: `planned`, or max_steps

  int64_t epoch_of(int64_t step) const { return step / steps_per_epoch; }
  bool ends_epoch(int64_t step) const { return (step + 1) % steps_per_epoch == 0 || step + 1 == steps; }
};
Schedule make_schedule(const Recipe& recipe, int64_t windows);

// Learning rate of a step.
double rate_at(const Recipe& recipe, const Schedule& schedule, int64_t step);

// Share of the final sparsity that a gradual mask has from this step on: 1 - (1 - t)^3, Zhu and Gupta, "To
// prune, or not to prune" (2017); 1 after mask_end.
double sparsity_at(const Recipe& recipe, const Schedule& schedule, int64_t step);

// Whether the mask is to be made anew before this step.
bool refreshes_mask(const Recipe& recipe, const Schedule& schedule, int64_t step);

}  // namespace prune2to4
