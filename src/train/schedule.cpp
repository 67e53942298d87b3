// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace prune2to4 {
namespace {

// At the last step at the latest, so that the mask is always final.
int64_t last_refresh(const Recipe& recipe, const Schedule& schedule) {
  const auto last = std::llround(recipe.mask_end * static_cast<double>(schedule.planned));
  return std::clamp<int64_t>(last, std::min<int64_t>(1, schedule.steps - 1), schedule.steps - 1);
}

}  // namespace

Schedule make_schedule(const Recipe& recipe, int64_t windows) {
  Schedule schedule;
  const int64_t step = recipe.batch_size * recipe.accumulate;
  schedule.steps_per_epoch = std::max<int64_t>(1, (windows + step - 1) / step);
  schedule.planned =
      std::max<int64_t>(1, std::llround(recipe.epochs * static_cast<double>(schedule.steps_per_epoch)));
  schedule.steps = recipe.max_steps > 0 ? std::min(recipe.max_steps, schedule.planned) : schedule.planned;
  return schedule;
}

double rate_at(const Recipe& recipe, const Schedule& schedule, int64_t step) {
  const double warm = recipe.warmup * static_cast<double>(schedule.planned);
  const auto done = static_cast<double>(step);
  if (done + 1 < warm) return recipe.learning_rate * (done + 1) / warm;
  const double rest = std::max(1.0, static_cast<double>(schedule.planned) - warm);
  const double part = std::clamp((done - std::max(0.0, warm - 1)) / rest, 0.0, 1.0);
  switch (recipe.schedule) {
    case RateSchedule::kLinear:
      return recipe.learning_rate * (1 - part);
    case RateSchedule::kCosine:
      return recipe.learning_rate * (1 + std::cos(std::numbers::pi * part)) / 2;
    case RateSchedule::kConstant:
      return recipe.learning_rate;
  }
  return recipe.learning_rate;
}

double sparsity_at(const Recipe& recipe, const Schedule& schedule, int64_t step) {
  if (recipe.mask_policy == MaskPolicy::kOneShot) return 1;
  const int64_t last = last_refresh(recipe, schedule);
  if (step >= last) return 1;
  return 1 - std::pow(1 - static_cast<double>(step) / static_cast<double>(last), 3);
}

bool refreshes_mask(const Recipe& recipe, const Schedule& schedule, int64_t step) {
  if (recipe.mask_policy == MaskPolicy::kOneShot) return step == 0;
  const int64_t last = last_refresh(recipe, schedule);
  return step == last || (step < last && step % recipe.mask_interval == 0);
}

}  // namespace prune2to4
