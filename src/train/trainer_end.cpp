// SPDX-License-Identifier: Apache-2.0
// What a Trainer does at the end of an epoch and of the run.
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "prune2to4/error.h"
#include "prune2to4/log.h"
#include "prune2to4/process_memory.h"
#include "prune2to4/table.h"
#include "train/mask_policy.h"
#include "train/numerics.h"
#include "train/trainer.h"

namespace prune2to4 {
namespace {

int64_t peak_bytes(at::Device device) {
  if (device.is_cuda()) return cuda_backend().peak_bytes(device);
  return process_peak_bytes();
}

}  // namespace

void Trainer::end_epoch() {
  TrainingEpoch epoch;
  epoch.epoch = schedule_.epoch_of(step_) + 1;
  epoch.step = step_ + 1;
  epoch.loss = epoch_steps_ > 0 ? epoch_loss_ / static_cast<double>(epoch_steps_) : std::nan("");
  epoch.seconds = epoch_seconds_;
  epoch.sparsity = check_masks(model_.parameters);
  if (options_.evaluate) {
    use_average();
    epoch.score = options_.evaluate(model_.module);
    use_average();
    log::info(options_.name + ": epoch " + std::to_string(epoch.epoch) + ", F1 " +
              format_fixed(epoch.score->f1, 2));
  }
  run_.epochs.push_back(epoch);
  epoch_loss_ = epoch_seconds_ = 0;
  epoch_steps_ = 0;
}

std::string Trainer::bad_values() {
  const at::NoGradGuard no_gradients;
  if (!model_.parameters.values.isfinite().all().item<bool>()) return "it has weights that are not finite";
  PackedShape shape = network_->shape(data_);
  shape.sequences = (options_.recipe.batch_size + comm_.size() - 1) / comm_.size();
  std::vector<int64_t> windows(static_cast<size_t>(std::min(shape.sequences, data_.windows())));
  std::iota(windows.begin(), windows.end(), 0);
  if (!network_->pads_rows()) shape.sequences = static_cast<int64_t>(windows.size());
  const PackedBatch batch = pack_batch(data_, windows, shape).to(options_.device);
  const SpanLogits logits = network_->forward(batch, /*dropout=*/false, nullptr);
  const at::Tensor finite = logits.start.isfinite().logical_and(logits.end.isfinite());
  return finite.all().item<bool>() ? "" : "the logits of its first windows are not finite";
}

// Every rank ends alike: what one of them sees counts for all.
void Trainer::check_result() {
  std::string reason = why_diverged(tally_);
  use_average();
  if (reason.empty()) reason = bad_values();
  use_average();
  for (const std::string& seen : comm_.all_gather(reason)) {
    if (seen.empty()) continue;
    throw Error(
        ExitStatus::kDiverged, "train",
        "training of '" + options_.name + "' diverged: " + seen +
            "; lower --learning-rate. Nothing is written, and a file of the output's name stays as it was");
  }
}

void Trainer::end_run() {
  const int64_t timed = steps_here_ >= 2 * kWarmSteps ? steps_here_ - kWarmSteps : steps_here_;
  const double seconds = run_.seconds - seconds_before_ - (timed < steps_here_ ? warm_seconds_ : 0);
  const int64_t windows =
      std::min(timed * options_.recipe.batch_size * options_.recipe.accumulate, timed * windows_);
  run_.windows_per_second = seconds > 0 ? static_cast<double>(windows) / seconds : 0;
  run_.peak_bytes = peak_bytes(options_.device);
  check_result();
  use_average();
  check_masks(model_.parameters);
  model_.write_back(source_);
  set_numerics(Precision::kFp32, false);
}

}  // namespace prune2to4
