// SPDX-License-Identifier: Apache-2.0
#include "commands/training.h"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "commands/output_files.h"
#include "prune2to4/archive.h"
#include "prune2to4/commands.h"
#include "prune2to4/cuda_backend.h"
#include "prune2to4/device.h"
#include "prune2to4/divergence.h"
#include "prune2to4/error.h"
#include "prune2to4/launch.h"
#include "prune2to4/log.h"
#include "prune2to4/model.h"
#include "prune2to4/module_parameters.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

int64_t parameter_count(const torch::jit::Module& module) {
  int64_t count = 0;
  for (const NamedTensor& each : forward_parameters(module)) count += each.tensor.numel();
  return count;
}

// What a run begins with: a checkpoint is of the same.
std::string identity(const std::string& model_sha256, const std::vector<PrunedWeight>& pruned,
                     const Report& report) {
  const std::string model = model_sha256 + (report.permutation ? " permuted" : "");
  if (pruned.empty() || !report.calibration) return model;
  const CalibrationReport& calibration = *report.calibration;
  return model + " calibrated by " + calibration.method +
         (calibration.sequential ? " layer after layer" : "") +
         (calibration.correct_bias ? " with biases" : "") + " on " + std::to_string(calibration.windows) +
         " windows of " + calibration.data_sha256;
}

// As one inlined graph in fp32.
torch::jit::Module load_teacher(const std::string& path, bool trust_model, std::string& sha) {
  std::string sha256;
  InlinedModel model(load_model(path, trust_model, sha256), trust_model);
  sha += sha256;
  model.to(at::kFloat);
  return model.rewrite({});
}

}  // namespace

Ranks join_ranks(const std::string& device) {
  const Launch launch = discover_launch();
  const bool own = launch.size > 1 && (device == "auto" || device == "cuda");
  at::Device chosen = resolve_device(device);
  if (own && chosen.is_cuda()) chosen = resolve_device("cuda:" + std::to_string(launch.local_rank));
  if (launch.rank > 0) log::set_level(log::Level::kQuiet);
  if (own && chosen.is_cuda()) cuda_backend().set_device(chosen);
  return {make_comm(launch, chosen), chosen};
}

void report_to_launcher(const std::string& message) noexcept {
  try {
    const Launch launch = discover_launch();
    if (launch.error_file.empty()) return;
    const nlohmann::json document{
        {"message",
         {{"message", message}, {"extraInfo", {{"timestamp", std::to_string(std::time(nullptr))}}}}}};
    std::ofstream(launch.error_file) << document.dump();
  } catch (const std::exception& error) {
    log::debug(error.what());  // the message itself is on stderr already
  }
}

Training::Training(const TrainingOptions& options, uint64_t seed, Ranks& ranks, const fs::path& output)
    : options_(options),
      seed_(seed),
      ranks_(ranks),
      output_(output),
      data_(TokenizedSquad::read(options.data)) {
  data_sha256_ = sha256_of(data_.bytes());
}

void Training::begin(const torch::jit::Module& module, const std::string& module_sha256, bool self_teacher,
                     bool trust_model) {
  std::string size;
  recipe_ = default_recipe(parameter_count(module), size);
  if (!options_.recipe.empty()) recipe_ = read_recipe(options_.recipe, recipe_);
  recipe_.seed = seed_;
  for (const auto& change : options_.changes) change(recipe_);
  check_recipe(recipe_);
  log::info("recipe: " + (options_.recipe.empty() ? size : options_.recipe));
  model_sha256_ = module_sha256;
  if (!data_.labelled()) {
    log::info(data_.file() + " has no labels: the teacher alone shows the way");
    recipe_.distill_weight = 1;
  }
  for (const std::string& path : options_.teachers) {
    if (path == kSelfTeacher) {
      teach_by_itself(module);
      continue;
    }
    teachers_.push_back(load_teacher(path, trust_model, teacher_sha256_));
    teacher_name_ += (teacher_name_.empty() ? "" : ", ") + fs::path(path).filename().string();
  }
  if (teachers_.empty() && self_teacher && (recipe_.distill_weight > 0 || recipe_.hidden_weight > 0)) {
    teach_by_itself(module);
  }
  // A pruned model that learns from a teacher has too little room to overfit: on held-out articles MiniLM
  // lost 2 F1 with 0.1, and 1 with 0.05.
  if (!recipe_.dropout && !teachers_.empty() && recipe_.distill_weight > 0) recipe_.dropout = 0;
}

void Training::teach_by_itself(const torch::jit::Module& module) {
  teachers_.push_back(module.clone());
  teacher_name_ += std::string(teacher_name_.empty() ? "" : ", ") + "the dense model itself";
  teacher_sha256_ += model_sha256_;
}

void Training::run(const std::string& name, torch::jit::Module& module,
                   const std::vector<PrunedWeight>& pruned, const EvaluationInput* questions,
                   Report& report) {
  TrainOptions options;
  options.name = name;
  options.recipe = recipe_;
  options.device = ranks_.device;
  options.deterministic = options_.deterministic;
  options.max_nan_steps = options_.max_nan_steps;
  const bool control = name != "sparse" && name != "dense";
  options.checkpoint = {checkpoint_file(options_, output_, control), options_.checkpoint_steps,
                        options_.resume == "auto", identity(model_sha256_, pruned, report), data_sha256_};
  options.teacher_cache = options_.teacher_cache;
  options.teacher_name = teacher_name_;
  options.teacher_sha256 = teacher_sha256_;
  options.teachers = teachers_;
  options.comm = ranks_.comm.get();
  if (questions != nullptr) {
    options.evaluate = [&](const torch::jit::Module& trained) {
      return evaluate_stage(name, trained, ranks_.device, questions->questions(), ranks_.comm.get())
          .score.all;
    };
  }
  report.training.push_back(train(module, pruned, data_, options));
  if (auto warning = worse_loss_warning(report.training.back()); !warning.empty()) {
    report.warnings.push_back(std::move(warning));
  }
  checkpoints_.push_back(options.checkpoint.file);
}

void Training::remove_checkpoints() const {
  if (!ranks_.first()) return;
  for (const fs::path& file : checkpoints_) remove_checkpoint(file);
}

void compare_scores(const std::string& before, const std::string& after, double tolerance, Report& report) {
  if (!report.evaluation) return;
  std::optional<double> f1_before;
  std::optional<double> f1_after;
  for (const ModelScore& model : report.evaluation->models) {
    if (model.name == before) f1_before = model.score.all.f1;
    if (model.name == after) f1_after = model.score.all.f1;
  }
  if (!f1_before || !f1_after) return;
  auto warning = worse_f1_warning(before, *f1_before, *f1_after, tolerance);
  if (!warning.empty()) report.warnings.push_back(std::move(warning));
}

void copy_parameters(const torch::jit::Module& from, torch::jit::Module& to) {
  const at::NoGradGuard no_gradients;
  std::map<std::string, at::Tensor> values;
  for (const NamedTensor& each : forward_parameters(from)) values.emplace(each.name, each.tensor);
  for (const NamedTensor& each : forward_parameters(to)) each.tensor.detach().copy_(values.at(each.name));
}

}  // namespace prune2to4
