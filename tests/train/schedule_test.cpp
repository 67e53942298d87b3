// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

namespace prune2to4 {
namespace {

// 100 steps of 8 windows, 10 an epoch.
Recipe hundred_steps() {
  Recipe recipe;
  recipe.epochs = 10;
  recipe.batch_size = 4;
  recipe.accumulate = 2;
  recipe.learning_rate = 1;
  recipe.warmup = 0;
  return recipe;
}
constexpr int64_t kWindows = 77;

double rate(const Recipe& recipe, int64_t step) {
  return rate_at(recipe, make_schedule(recipe, kWindows), step);
}

}  // namespace

CATCH_TEST_CASE("an epoch has as many steps as hold all windows, a run as many as its epochs") {
  Recipe recipe = hundred_steps();
  const Schedule schedule = make_schedule(recipe, kWindows);
  CATCH_CHECK(schedule.steps_per_epoch == 10);
  CATCH_CHECK(schedule.planned == 100);
  CATCH_CHECK(schedule.steps == 100);
  CATCH_CHECK(make_schedule(recipe, 80).steps_per_epoch == 10);
  CATCH_CHECK(make_schedule(recipe, 81).steps_per_epoch == 11);
  CATCH_CHECK(make_schedule(recipe, 1).steps_per_epoch == 1);
  recipe.epochs = 0.55;
  CATCH_CHECK(make_schedule(recipe, kWindows).steps == 6);
  recipe.epochs = 0.001;
  CATCH_CHECK(make_schedule(recipe, kWindows).steps == 1);
}

CATCH_TEST_CASE("max_steps ends a run early and leaves its plan as it is") {
  Recipe recipe = hundred_steps();
  recipe.max_steps = 25;
  const Schedule schedule = make_schedule(recipe, kWindows);
  CATCH_CHECK(schedule.planned == 100);
  CATCH_CHECK(schedule.steps == 25);
  CATCH_CHECK(rate(recipe, 20) == rate(hundred_steps(), 20));
  recipe.max_steps = 1000;
  CATCH_CHECK(make_schedule(recipe, kWindows).steps == 100);
}

CATCH_TEST_CASE("epochs end at their last step, and at the run's") {
  Recipe recipe = hundred_steps();
  recipe.max_steps = 25;
  const Schedule schedule = make_schedule(recipe, kWindows);
  std::vector<int64_t> ends;
  for (int64_t step = 0; step < schedule.steps; ++step) {
    if (schedule.ends_epoch(step)) ends.push_back(step);
  }
  CATCH_CHECK(ends == std::vector<int64_t>{9, 19, 24});
  CATCH_CHECK(schedule.epoch_of(9) == 0);
  CATCH_CHECK(schedule.epoch_of(10) == 1);
}

CATCH_TEST_CASE("the rate rises evenly to its top, and falls by the schedule") {
  Recipe recipe = hundred_steps();
  recipe.warmup = 0.1;
  for (const auto& [name, schedule] : kRateSchedules) {
    CATCH_INFO(name);
    recipe.schedule = schedule;
    CATCH_CHECK(rate(recipe, 0) == Approx(0.1));
    CATCH_CHECK(rate(recipe, 4) == Approx(0.5));
    CATCH_CHECK(rate(recipe, 8) == Approx(0.9));
    CATCH_CHECK(rate(recipe, 9) == Approx(1));
    for (int64_t step = 10; step < 100; ++step) {
      CATCH_CHECK(rate(recipe, step) <= rate(recipe, step - 1));
      CATCH_CHECK(rate(recipe, step) >= 0);
    }
  }
  recipe.schedule = RateSchedule::kLinear;
  CATCH_CHECK(rate(recipe, 9 + 45) == Approx(0.5));
  CATCH_CHECK(rate(recipe, 9 + 18) == Approx(0.8));
  recipe.schedule = RateSchedule::kCosine;
  CATCH_CHECK(rate(recipe, 9 + 45) == Approx(0.5));
  CATCH_CHECK(rate(recipe, 9 + 30) == Approx((1 + std::cos(std::numbers::pi / 3)) / 2));
  recipe.schedule = RateSchedule::kConstant;
  CATCH_CHECK(rate(recipe, 99) == 1);
}

CATCH_TEST_CASE("without a warm-up the first step has the whole rate") {
  Recipe recipe = hundred_steps();
  CATCH_CHECK(rate(recipe, 0) == 1);
  CATCH_CHECK(rate(recipe, 50) == Approx(0.5));
  CATCH_CHECK(rate(recipe, 99) == Approx(0.01));
  recipe.learning_rate = 3e-5;
  CATCH_CHECK(rate(recipe, 50) == Approx(1.5e-5));
}

CATCH_TEST_CASE("a gradual mask's sparsity is cubic, and 1 from mask_end on") {
  Recipe recipe = hundred_steps();
  recipe.mask_policy = MaskPolicy::kGradual;
  recipe.mask_end = 0.6;
  recipe.mask_interval = 7;
  const Schedule schedule = make_schedule(recipe, kWindows);
  CATCH_CHECK(sparsity_at(recipe, schedule, 0) == 0);
  CATCH_CHECK(sparsity_at(recipe, schedule, 15) == Approx(1 - 0.75 * 0.75 * 0.75));
  CATCH_CHECK(sparsity_at(recipe, schedule, 30) == Approx(0.875));
  CATCH_CHECK(sparsity_at(recipe, schedule, 59) < 1);
  for (const int64_t step : {60, 61, 99}) CATCH_CHECK(sparsity_at(recipe, schedule, step) == 1);
  std::vector<int64_t> refreshes;
  for (int64_t step = 0; step < 100; ++step) {
    if (refreshes_mask(recipe, schedule, step)) refreshes.push_back(step);
  }
  CATCH_CHECK(refreshes == std::vector<int64_t>{0, 7, 14, 21, 28, 35, 42, 49, 56, 60});
}

CATCH_TEST_CASE("a one-shot mask is made once, whole") {
  const Recipe recipe = hundred_steps();
  const Schedule schedule = make_schedule(recipe, kWindows);
  CATCH_CHECK(refreshes_mask(recipe, schedule, 0));
  for (int64_t step = 1; step < 100; ++step) CATCH_CHECK_FALSE(refreshes_mask(recipe, schedule, step));
  CATCH_CHECK(sparsity_at(recipe, schedule, 0) == 1);
}

CATCH_TEST_CASE("every run makes its mask whole at one of its steps") {
  Recipe recipe = hundred_steps();
  recipe.mask_policy = MaskPolicy::kGradual;
  for (const double end : {0.0, 0.001, 0.6, 1.0}) {
    for (const int64_t max_steps : {0, 1, 2, 3, 59, 60, 61}) {
      for (const int64_t interval : {1, 50, 1000}) {
        CATCH_INFO("mask_end " << end << ", max_steps " << max_steps << ", mask_interval " << interval);
        recipe.mask_end = end;
        recipe.max_steps = max_steps;
        recipe.mask_interval = interval;
        const Schedule schedule = make_schedule(recipe, kWindows);
        int64_t whole = 0;
        for (int64_t step = 0; step < schedule.steps; ++step) {
          whole += refreshes_mask(recipe, schedule, step) && sparsity_at(recipe, schedule, step) == 1;
        }
        CATCH_CHECK(whole == 1);
      }
    }
  }
}

}  // namespace prune2to4
