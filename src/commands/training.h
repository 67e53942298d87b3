// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/evaluation_data.h"
#include "prune2to4/comm.h"
#include "prune2to4/report.h"
#include "prune2to4/train.h"
#include "prune2to4/training_options.h"

namespace prune2to4 {

// This process among those of its launch, and the device that is its own.
struct Ranks {
  std::unique_ptr<Comm> comm;
  at::Device device = at::kCPU;

  bool first() const { return comm->rank() == 0; }
};

// `device` as the option says it: "auto" and "cuda" are the GPU of the local rank. Ranks but the first say
// nothing but warnings and errors.
Ranks join_ranks(const std::string& device);

// What a command trains with. Its data is read, and its teachers are loaded, before any work is done.
class Training {
 public:
  Training(const TrainingOptions& options, uint64_t seed, Ranks& ranks, const std::filesystem::path& output);

  // Chooses the recipe by `module`'s size. `module_sha256` is that of its archive; `self_teacher`: without
  // --teacher the module itself, as it is now, teaches. Data without labels is learned from the teacher
  // alone.
  void begin(const torch::jit::Module& module, const std::string& module_sha256, bool self_teacher,
             bool trust_model);

  // Trains the module and adds the run to the report, with a warning when its loss rose. `questions`: of the
  // score after each epoch; null: none.
  void run(const std::string& name, torch::jit::Module& module, const std::vector<PrunedWeight>& pruned,
           const EvaluationInput* questions, Report& report);

  const Recipe& recipe() const { return recipe_; }
  // Once the output is written.
  void remove_checkpoints() const;

 private:
  void teach_by_itself(const torch::jit::Module& module);

  TrainingOptions options_;
  uint64_t seed_;
  Ranks& ranks_;
  std::filesystem::path output_;
  TokenizedSquad data_;
  std::string data_sha256_;
  Recipe recipe_;
  std::string model_sha256_;
  std::vector<torch::jit::Module> teachers_;
  std::string teacher_name_;
  std::string teacher_sha256_;
  std::vector<std::filesystem::path> checkpoints_;
};

// Warns in the report where training made F1 worse: `after` and `before` are names of models that were
// evaluated; nothing happens when one of them was not.
void compare_scores(const std::string& before, const std::string& after, double tolerance, Report& report);

// The weights of the same model as one module has them, into the other one's tensors.
void copy_parameters(const torch::jit::Module& from, torch::jit::Module& to);

}  // namespace prune2to4
