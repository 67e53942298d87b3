// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "prune2to4/recipe.h"

namespace prune2to4 {

// Calls `visit(key, field)` for every field in the order of the JSON form.
template <typename AnyRecipe, typename Visitor>
void visit_fields(AnyRecipe& recipe, Visitor&& visit) {
  visit("epochs", recipe.epochs);
  visit("max_steps", recipe.max_steps);
  visit("batch_size", recipe.batch_size);
  visit("accumulate", recipe.accumulate);
  visit("learning_rate", recipe.learning_rate);
  visit("schedule", recipe.schedule);
  visit("warmup", recipe.warmup);
  visit("weight_decay", recipe.weight_decay);
  visit("clip_norm", recipe.clip_norm);
  visit("dropout", recipe.dropout);
  visit("precision", recipe.precision);
  visit("seed", recipe.seed);
  visit("distill_weight", recipe.distill_weight);
  visit("temperature", recipe.temperature);
  visit("hidden_weight", recipe.hidden_weight);
  visit("ema", recipe.ema);
  visit("mask_policy", recipe.mask_policy);
  visit("mask_score", recipe.mask_score);
  visit("mask_end", recipe.mask_end);
  visit("mask_interval", recipe.mask_interval);
}

struct RecipeFault {
  std::string key;
  std::string reason;  // "must be above 0; found -1"
};

// The first value that cannot be.
std::optional<RecipeFault> find_fault(const Recipe& recipe);

}  // namespace prune2to4
