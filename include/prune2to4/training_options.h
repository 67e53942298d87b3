// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "prune2to4/recipe.h"

namespace prune2to4 {

// In the place of a teacher's file: the model that is trained, as it was given.
inline constexpr const char* kSelfTeacher = "self";
// What the files that only training writes say under "format" of their metadata.
inline constexpr const char* kCheckpointFormat = "prune2to4.checkpoint";
inline constexpr const char* kTeacherCacheFormat = "prune2to4.teacher";

// What `finetune` and `prune --train` have in common.
struct TrainingOptions {
  std::string data;                                   // tokenized file; empty: no training
  std::string recipe;                                 // file; empty: the embedded one for the model's size
  std::vector<std::function<void(Recipe&)>> changes;  // that flags make to it
  std::vector<std::string> teachers;                  // archives, or "self"; `prune`: that when empty
  std::string teacher_cache;
  bool control = false;          // also train the dense model, for the same budget and by the same teacher
  std::string checkpoint;        // empty: beside the output
  int64_t checkpoint_steps = 0;  // 0: at the end of each epoch
  std::string resume = "no";     // "no", "auto"
  bool deterministic = false;
  int64_t max_nan_steps = 10;
};

}  // namespace prune2to4
