// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <ATen/ops/cat.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/log.h"
#include "prune2to4/table.h"
#include "prune2to4/text_batch.h"
#include "train/mask_policy.h"
#include "train/numerics.h"

namespace prune2to4 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPoints = 200;  // of a curve, at most

Precision choose_precision(const Recipe& recipe, at::Device device) {
  if (recipe.precision) return *recipe.precision;
  return device.is_cuda() && cuda_backend().has_bf16(device) ? Precision::kBf16 : Precision::kFp32;
}

void check_data(const TokenizedSquad& data, const torch::jit::Module& module, const TrainOptions& options) {
  const bool taught = !options.teachers.empty() && options.recipe.distill_weight == 1;
  if (!data.labelled() && !taught) {
    throw Error(
        ExitStatus::kData, "data",
        data.file() +
            " has no labels to learn from (tensors \"start\" and \"end\"); tokenize training data, or "
            "let a teacher show the way with --teacher");
  }
  if (data.training_windows().empty()) {
    throw Error(ExitStatus::kData, "data",
                data.file() + " has no windows to train on: none has a label; it is for evaluation");
  }
  const TextLimits limits = text_limits(module);
  data.check_fits(limits.vocabulary, limits.segments, limits.positions);
}

}  // namespace

Trainer::Trainer(torch::jit::Module& module, const std::vector<PrunedWeight>& pruned,
                 const TokenizedSquad& data, const TrainOptions& options)
    : source_(module),
      pruned_(pruned),
      data_(data),
      options_(options),
      single_(single_comm()),
      comm_(options.comm != nullptr ? *options.comm : *single_),
      precision_(choose_precision(options.recipe, options.device)),
      windows_(static_cast<int64_t>(data.training_windows().size())),
      schedule_(make_schedule(options.recipe, windows_)),
      model_(module, pruned, options.device) {
  check_data(data, module, options);
  if (options.device.is_cuda()) cuda_backend().set_device(options.device);
  const Recipe& recipe = options_.recipe;
  network_options_ = {options.device, precision_, {}};
  network_ = make_network(model_.module, model_.parameters, recipe.dropout, network_options_);
  if (!options.teachers.empty() && recipe.distill_weight > 0) teacher_.emplace(data, options);
  optimizer_ = make_optimizer(model_.parameters, recipe, precision_);
  const bool capture = network_->can_capture() && !options.deterministic;
  Recipe used = recipe;
  used.precision = precision_;
  passes_ = std::make_unique<ForwardBackward>(*network_, model_, optimizer_, comm_,
                                              ForwardBackward::Options{used, options.device, capture});
  if (recipe.hidden_weight > 0 && !options.teachers.empty())
    passes_->set_hidden_teacher(options.teachers.front());
  run_.name = options.name;
  run_.data = std::filesystem::path(data.file()).filename().string();
  run_.data_sha256 = options.checkpoint.data_sha256;
  run_.windows = windows_;
  run_.ranks = comm_.size();
  run_.engine = network_->description() + ", " + precision_name(precision_) + (capture ? ", captured" : "");
  run_.teacher = teacher_ ? teacher_->description() : "";
  run_.dropout_places = network_options_.dropout.places;
  run_.recipe = recipe_values(recipe);
  describe_identity();
}

TrainingRun Trainer::run() {
  begin();
  Progress progress(options_.name, schedule_.steps - first_step_);
  step_ = first_step_;
  if (step_ < schedule_.steps) prepare(step_);
  while (step_ < schedule_.steps) {
    const auto start = Clock::now();
    launch(step_);
    if (step_ + 1 < schedule_.steps) prepare(step_ + 1);
    const StepResult result = finish();
    time_step(start);
    if (went_back(result)) continue;
    count(result);
    const int64_t done = step_ + 1;
    if (result.stop) stop(done);
    if (done == schedule_.steps) check_result();  // what diverged is not saved over what has not
    if (saves_after(step_)) save(done);
    if (schedule_.ends_epoch(step_)) end_epoch();
    progress.advance("loss " + format_number(result.loss, 3));
    step_ = done;
    if (options_.on_step) options_.on_step(done);
  }
  progress.finish();
  end_run();
  return run_;
}

void Trainer::begin() {
  if (options_.device.is_cuda()) cuda_backend().reset_peak_bytes(options_.device);
  set_numerics(precision_, options_.deterministic);
  at::manual_seed(options_.recipe.seed + static_cast<uint64_t>(comm_.rank()));
  if (options_.checkpoint.resume) resume();
  check_ranks();
  end_saved_epoch();
}

void Trainer::start_over() {
  model_.read_from(source_);
  optimizer_.clear(model_.parameters);
  model_.parameters.mask.fill_(1);
  run_.points.clear();
  run_.epochs.clear();
  first_step_ = run_.steps = 0;
  sum_ = {};
  tally_ = {};
  summed_ = epoch_steps_ = 0;
  epoch_loss_ = epoch_seconds_ = 0;
}

const std::vector<std::vector<int64_t>>& Trainer::batches_of(int64_t epoch) {
  if (epoch != epoch_) {
    batches_ =
        epoch_batches(data_, options_.recipe.batch_size, options_.recipe.seed, epoch, network_->pads());
    epoch_ = epoch;
  }
  return batches_;
}

std::vector<std::vector<int64_t>> Trainer::windows_of(int64_t step) {
  const auto& batches = batches_of(schedule_.epoch_of(step));
  const int64_t first = step % schedule_.steps_per_epoch * options_.recipe.accumulate;
  const int64_t last = std::min(first + options_.recipe.accumulate, static_cast<int64_t>(batches.size()));
  return {batches.begin() + first, batches.begin() + last};
}

void Trainer::prepare(int64_t step) {
  next_.clear();
  const auto batches = windows_of(step);
  double windows = 0;
  for (const auto& batch : batches) windows += static_cast<double>(batch.size());
  for (const auto& batch : batches) {
    std::vector<int64_t> mine;
    for (size_t i = static_cast<size_t>(comm_.rank()); i < batch.size();
         i += static_cast<size_t>(comm_.size())) {
      mine.push_back(batch[i]);
    }
    PackedShape shape = network_->shape(data_);
    shape.sequences = (options_.recipe.batch_size + comm_.size() - 1) / comm_.size();
    // A rank without a window computes one that does not count.
    shape.weight = mine.empty() ? 0 : 1 / windows;
    if (mine.empty()) mine.push_back(batch.front());
    if (!network_->pads_rows()) shape.sequences = static_cast<int64_t>(mine.size());
    PackedBatch packed = pack_batch(data_, mine, shape);
    if (teacher_) teacher_->fill(mine, packed);
    next_.push_back(options_.device.is_cuda() ? packed.pinned() : packed);
  }
}

void Trainer::launch(int64_t step) {
  const Recipe& recipe = options_.recipe;
  if (refreshes_mask(recipe, schedule_, step) && !pruned_.empty()) {
    refresh_masks(model_.parameters, optimizer_, sparsity_at(recipe, schedule_, step));
  }
  optimizer_.rate.fill_(rate_at(recipe, schedule_, step) * rate_factor_);
  passes_->begin_step(interrupted());
  for (size_t i = 0; i < next_.size(); ++i) passes_->pass(next_[i], i + 1 == next_.size());
  passes_->update();
}

Trainer::StepResult Trainer::finish() {
  const at::NoGradGuard no_gradients;
  const at::Tensor all = at::cat({passes_->sums(), optimizer_.skipped, optimizer_.gradient_norm.view({1})});
  const at::Tensor host = all.to(at::kCPU);
  const auto* values = host.const_data_ptr<float>();
  return {values[0], values[1], values[2], values[3] > 0, values[4] > 0, values[5]};
}

void Trainer::time_step(Clock::time_point start) {
  const std::chrono::duration<double> passed = Clock::now() - start;
  run_.seconds += passed.count();
  epoch_seconds_ += passed.count();
  ++steps_here_;
  if (steps_here_ == kWarmSteps) warm_seconds_ = run_.seconds - seconds_before_;
}

bool Trainer::went_back(const StepResult& result) {
  run_.skipped_steps += result.skipped;
  tally_.add(result.skipped, result.loss);
  if (tally_.skipped_in_a_row < options_.max_nan_steps) return false;
  if (run_.restarts > 0) {
    std::string ids;
    for (const auto& batch : windows_of(step_)) {
      for (const int64_t window : batch) {
        const auto id = data_.examples()[static_cast<size_t>(data_.example(window))].id;
        ids += (ids.empty() ? "" : ", ") + std::string(id);
      }
    }
    throw Error(
        ExitStatus::kDiverged, "train",
        "the loss or a gradient was not finite in " + std::to_string(tally_.skipped_in_a_row) +
            " steps in a row, also with half of the learning rate; lower --learning-rate. Questions of the "
            "last step: " +
            ids);
  }
  go_back();
  return true;
}

void Trainer::count(const StepResult& result) {
  ++run_.steps;
  if (!result.skipped) {
    sum_.loss += result.loss;
    sum_.label_loss += result.label;
    sum_.distill_loss += result.distill;
    sum_.gradient_norm += result.gradient_norm;
    ++summed_;
    epoch_loss_ += result.loss;
    ++epoch_steps_;
  }
  const int64_t every = std::max<int64_t>(1, schedule_.steps / kPoints);
  const int64_t done = step_ + 1;
  if (summed_ == 0 || (done % every != 0 && done != schedule_.steps)) return;
  const auto n = static_cast<double>(summed_);
  run_.points.push_back({done, static_cast<double>(done) / static_cast<double>(schedule_.steps_per_epoch),
                         sum_.loss / n, sum_.label_loss / n, sum_.distill_loss / n,
                         rate_at(options_.recipe, schedule_, step_) * rate_factor_, sum_.gradient_norm / n});
  sum_ = {};
  summed_ = 0;
}

TrainingRun train(torch::jit::Module& module, const std::vector<PrunedWeight>& pruned,
                  const TokenizedSquad& data, const TrainOptions& options) {
  check_recipe(options.recipe);
  return Trainer(module, pruned, data, options).run();
}

}  // namespace prune2to4
