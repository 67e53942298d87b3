// SPDX-License-Identifier: Apache-2.0
// What a Trainer keeps in its checkpoints, and how it goes on from them.
#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "prune2to4/error.h"
#include "prune2to4/hash.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/log.h"
#include "prune2to4/table.h"
#include "prune2to4/training_options.h"
#include "train/curves_json.h"
#include "train/trainer.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

constexpr const char* kVersion = "1";
// Not the run's identity, but where it was.
constexpr const char* kStateKey = "state";

std::string generator_state(at::Device device) {
  const at::Tensor state = at::globalContext().defaultGenerator(device).get_state().to(at::kCPU).contiguous();
  return {static_cast<const char*>(state.const_data_ptr()), state.nbytes()};
}

void set_generator_state(at::Device device, const at::Tensor& state) {
  at::Generator generator = at::globalContext().defaultGenerator(device);
  generator.set_state(state);
}

// Texts of all ranks, which are equally long, as one tensor [ranks, bytes].
at::Tensor rows(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text;
  const auto count = static_cast<int64_t>(texts.size());
  return at::from_blob(all.data(), {count, static_cast<int64_t>(all.size()) / count}, at::kByte).clone();
}

}  // namespace

void Trainer::describe_identity() {
  const bool uses_teacher = teacher_ || (options_.recipe.hidden_weight > 0 && !options_.teachers.empty());
  identity_ = {{"format", kCheckpointFormat},
               {"version", kVersion},
               {"run", options_.name},
               {"model", options_.checkpoint.model_sha256},
               {"data", options_.checkpoint.data_sha256},
               {"teacher", uses_teacher ? options_.teacher_sha256 : ""},
               {"precision used", precision_name(precision_)},
               {"engine", network_->description()}};
  for (const auto& [key, value] : recipe_values(options_.recipe)) {
    if (key != "max_steps") identity_[key] = value;
  }
  std::string layers;
  for (const PrunedWeight& weight : pruned_) {
    const MaskOptions& mask = weight.mask;
    layers += weight.name + " " + format_number(mask.sparsity_level, 9) + " " +
              std::to_string(mask.sparse_block_shape[0]) + "x" + std::to_string(mask.sparse_block_shape[1]) +
              " " + std::to_string(mask.zeros_per_block) + " " + std::to_string(mask.norm) + " " +
              std::to_string(static_cast<int>(mask.ties)) + "\n";
  }
  Sha256 hash;
  hash.update(std::as_bytes(std::span(layers)));
  identity_["layer config"] = hash.hex();
}

// The moving average and the values change places.
void Trainer::use_average() {
  if (!optimizer_.average.defined()) return;
  const at::NoGradGuard no_gradients;
  const at::Tensor values = model_.parameters.values.clone();
  model_.parameters.values.copy_(optimizer_.average);
  optimizer_.average.copy_(values);
}

std::vector<NamedTensor> Trainer::state_tensors() const {
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& prefix, const at::Tensor& flat, bool pruned_only) {
    if (!flat.defined()) return;
    for (const Parameter& parameter : model_.parameters.list) {
      if (pruned_only && parameter.pruned == nullptr) continue;
      const at::Tensor view = flat.narrow(0, parameter.offset, parameter.size).view(parameter.value.sizes());
      tensors.push_back({prefix + parameter.name, view});
    }
  };
  add("weight.", model_.parameters.values, false);
  add("exp_avg.", optimizer_.exp_avg, false);
  add("exp_avg_sq.", optimizer_.exp_avg_sq, false);
  add("average.", optimizer_.average, false);
  add("mask.", model_.parameters.mask, true);
  add("saliency.", optimizer_.saliency, true);
  tensors.push_back({"optimizer.steps", optimizer_.steps});
  tensors.push_back({"scaler.scale", optimizer_.scale});
  if (optimizer_.growth.defined()) tensors.push_back({"scaler.growth", optimizer_.growth});
  return tensors;
}

bool Trainer::saves_after(int64_t step) const {
  if (options_.checkpoint.file.empty()) return false;
  return schedule_.ends_epoch(step) ||
         (options_.checkpoint.every > 0 && (step + 1) % options_.checkpoint.every == 0);
}

void Trainer::save(int64_t next_step) {
  if (options_.checkpoint.file.empty()) return;
  const HeldInterrupts until_it_is_written;
  Checkpoint checkpoint;
  const auto host_rng = comm_.all_gather(generator_state(at::kCPU));
  const auto device_rng = options_.device.is_cuda() ? comm_.all_gather(generator_state(options_.device))
                                                    : std::vector<std::string>{};
  if (comm_.rank() == 0) {
    for (const NamedTensor& each : state_tensors()) {
      checkpoint.tensors.push_back({each.name, each.tensor.detach().to(at::kCPU).contiguous()});
    }
    checkpoint.tensors.push_back({"rng.cpu", rows(host_rng)});
    if (!device_rng.empty()) checkpoint.tensors.push_back({"rng.cuda", rows(device_rng)});
    checkpoint.texts = identity_;
    const Json state{{"step", next_step},
                     {"rate_factor", rate_factor_},
                     {"nan_steps", tally_.skipped_in_a_row},
                     {"taken_steps", tally_.taken},
                     {"last_loss", tally_.last_loss},
                     {"restarts", run_.restarts},
                     {"skipped_steps", run_.skipped_steps},
                     {"seconds", run_.seconds},
                     {"sum", points_json({sum_})},
                     {"summed", summed_},
                     {"epoch", {epoch_loss_, epoch_steps_, epoch_seconds_}},
                     {"points", points_json(run_.points)},
                     {"epochs", epochs_json(run_.epochs)}};
    checkpoint.texts[kStateKey] = state.dump();
    write_checkpoint(options_.checkpoint.file, checkpoint);
  }
  comm_.barrier();
  has_checkpoint_ = true;
}

void Trainer::check_identity(const Checkpoint& checkpoint) const {
  std::string differences;
  for (const auto& [key, value] : identity_) {
    const auto found = checkpoint.texts.find(key);
    const std::string before = found == checkpoint.texts.end() ? "unknown" : found->second;
    if (before == value) continue;
    differences += (differences.empty() ? "" : "; ") + key + " was " + (before.empty() ? "none" : before) +
                   " and is " + (value.empty() ? "none" : value);
  }
  if (differences.empty()) return;
  throw Error(ExitStatus::kUsage, "checkpoint",
              options_.checkpoint.file.string() + " is of another run: " + differences +
                  "; give what it was made with, or run without --resume to begin anew");
}

void Trainer::restore(const Checkpoint& checkpoint) {
  const at::NoGradGuard no_gradients;
  for (const NamedTensor& each : state_tensors()) {
    const at::Tensor* saved = checkpoint.find(each.name);
    if (saved == nullptr || saved->sizes() != each.tensor.sizes()) {
      throw Error(ExitStatus::kData, "checkpoint",
                  options_.checkpoint.file.string() + " has no fitting " + each.name);
    }
    each.tensor.detach().copy_(*saved);
  }
  for (const auto& [name, device] :
       {std::pair<const char*, at::Device>{"rng.cpu", at::kCPU}, {"rng.cuda", options_.device}}) {
    const at::Tensor* states = checkpoint.find(name);
    if (states == nullptr || (std::string(name) == "rng.cuda" && !device.is_cuda())) continue;
    if (comm_.rank() < states->size(0)) set_generator_state(device, states->select(0, comm_.rank()).clone());
  }
  const Json state = Json::parse(checkpoint.texts.at(kStateKey));
  first_step_ = state.at("step");
  rate_factor_ = state.at("rate_factor");
  // Checkpoints of version 0.1.0 have neither of the two.
  tally_.taken = state.value("taken_steps", first_step_);
  tally_.skipped = first_step_ - tally_.taken;
  tally_.skipped_in_a_row = state.at("nan_steps");
  tally_.last_loss = number(state.value("last_loss", Json(0.0)));
  TrainingRun curves;
  read_curves({{"points", state.at("sum")}, {"epochs", Json::array()}}, curves);
  sum_ = curves.points.front();
  summed_ = state.at("summed");
  epoch_loss_ = number(state.at("epoch")[0]);
  epoch_steps_ = state.at("epoch")[1];
  epoch_seconds_ = state.at("epoch")[2];
  run_.points.clear();
  run_.epochs.clear();
  read_curves(state, run_);
  run_.restarts = state.at("restarts");
  run_.skipped_steps = state.at("skipped_steps");
  run_.seconds = seconds_before_ = state.at("seconds");
  run_.steps = first_step_;
}

void Trainer::resume() {
  const auto checkpoint = read_checkpoint(options_.checkpoint.file);
  if (!checkpoint) {
    log::info("no checkpoint " + options_.checkpoint.file.string() + ": the run begins anew");
    return;
  }
  check_identity(*checkpoint);
  restore(*checkpoint);
  has_checkpoint_ = true;
  run_.resumed_at = first_step_;
  log::info("resumed at step " + std::to_string(first_step_) + " of " + std::to_string(schedule_.steps));
}

// An epoch's end is saved before it is evaluated.
void Trainer::end_saved_epoch() {
  const int64_t evaluated = run_.epochs.empty() ? 0 : run_.epochs.back().step;
  if (first_step_ <= evaluated || !schedule_.ends_epoch(first_step_ - 1)) return;
  step_ = first_step_ - 1;
  end_epoch();
}

void Trainer::go_back() {
  const TrainingRun before = run_;
  const double seconds_before = seconds_before_;
  // A file that this run has not touched is an older run's.
  const auto checkpoint =
      has_checkpoint_ ? read_checkpoint(options_.checkpoint.file) : std::optional<Checkpoint>();
  if (checkpoint) {
    restore(*checkpoint);
  } else {
    start_over();
  }
  rate_factor_ /= 2;
  tally_.skipped_in_a_row = 0;
  run_.skipped_steps = before.skipped_steps;
  run_.seconds = before.seconds;
  seconds_before_ = seconds_before;
  ++run_.restarts;
  end_saved_epoch();
  step_ = first_step_;
  log::warn("the loss was not finite in " + std::to_string(options_.max_nan_steps) +
            " steps in a row: going back to step " + std::to_string(step_) +
            " with half of the learning rate");
  prepare(step_);
}

void Trainer::stop(int64_t done) {
  save(done);
  if (!options_.checkpoint.file.empty()) {
    log::info("saved " + options_.checkpoint.file.string() + " at step " + std::to_string(done) + " of " +
              std::to_string(schedule_.steps) + "; the same command with --resume auto goes on from it");
  }
  throw_if_interrupted();
  throw Interrupted(SIGTERM);  // it reached another rank
}

void Trainer::check_ranks() {
  if (comm_.size() == 1) return;
  Sha256 hash;
  for (const NamedTensor& each : state_tensors()) {
    const at::Tensor host = each.tensor.detach().to(at::kCPU).contiguous();
    hash.update({static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()});
  }
  std::string mine = hash.hex() + " step " + std::to_string(first_step_);
  for (const auto& [key, value] : identity_) mine += "\n" + key + " " + value;
  const auto all = comm_.all_gather(mine);
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw Error(ExitStatus::kUsage, "ranks",
                "rank " + std::to_string(rank) +
                    " has another model, data, recipe or checkpoint than rank 0; start "
                    "all of them with the same command and files");
  }
}

}  // namespace prune2to4
