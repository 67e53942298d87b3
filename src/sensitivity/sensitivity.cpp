// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/sensitivity.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "prune2to4/batches.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/progress.h"
#include "prune2to4/runner.h"

namespace prune2to4 {
namespace {

// log of the sum of e^x.
double log_sum(const float* logits, int64_t count) {
  const double largest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::exp(logits[i] - largest);
  return largest + std::log(sum);
}

// How far the logits of a model are from the dense one's.
struct Distance {
  double squared = 0;  // |l' - l|^2
  double whole = 0;    // |l|^2
  double divergence = 0;

  // Of the tokens of one window: its start or its end logits.
  void add(const float* dense, const float* pruned, int64_t count) {
    const double dense_log = log_sum(dense, count);
    const double pruned_log = log_sum(pruned, count);
    for (int64_t i = 0; i < count; ++i) {
      const double wanted = dense[i];
      const double found = pruned[i];
      squared += (found - wanted) * (found - wanted);
      whole += wanted * wanted;
      divergence += std::exp(wanted - dense_log) * ((wanted - dense_log) - (found - pruned_log)) / 2;
    }
  }
};

// One model on the device whose weights change.
class Measurement {
 public:
  Measurement(const InlinedModel& model, const SensitivityText& text, const SensitivityOptions& options)
      : text_(text),
        module_(model.rewrite({}, options.device)),
        runner_("sensitivity", module_, options.device, {.engine = false}),
        batches_(plan_batches(text.data, text.windows, {options.batch_tokens, runner_.fixed_batch()})),
        dense_(batches_.size()) {}

  // Keeps the logits of the model as it is; its F1.
  std::optional<double> run_dense() {
    return run([&](const BatchLogits& found) { dense_[found.batch] = found.logits; });
  }

  // With `changed` in the place of what the model has.
  LayerCost run_with(const std::vector<NamedTensor>& changed) {
    LayerCost cost;
    cost.name = changed.front().name;
    std::vector<NamedTensor> kept;
    for (const NamedTensor& each : changed) kept.push_back({each.name, parameter_named(module_, each.name)});
    for (const NamedTensor& each : changed) set_parameter(module_, each);
    Distance distance;
    cost.f1 = run([&](const BatchLogits& found) { add(found, distance); });
    for (const NamedTensor& each : kept) set_parameter(module_, each);
    cost.logit_error = std::sqrt(distance.squared / distance.whole);
    cost.divergence = distance.divergence / static_cast<double>(text_.windows.size());
    return cost;
  }

  const torch::jit::Module& module() const { return module_; }

 private:
  std::optional<double> run(const std::function<void(const BatchLogits&)>& see) {
    std::optional<ModelAnswers> answers;
    if (text_.questions) answers.emplace(ModelAnswers{SpanSearch(text_.data, {}, 1), {}, {}, {}, 0});
    run_batches({&runner_}, text_.data, batches_, [&](const BatchLogits& found) {
      see(found);
      if (answers) add_logits(answers->spans, batches_[found.batch], found.logits);
    });
    if (!answers) return std::nullopt;
    score_answers(*text_.questions, *answers);
    return answers->score.all.f1;
  }

  void add(const BatchLogits& found, Distance& distance) const {
    const SpanLogits& dense = dense_[found.batch];
    const int64_t stride = dense.start.size(1);
    for (size_t row = 0; row < batches_[found.batch].size(); ++row) {
      const int64_t first = static_cast<int64_t>(row) * stride;
      const int64_t length = text_.data.length(batches_[found.batch][row]);
      for (const auto part : {&SpanLogits::start, &SpanLogits::end}) {
        distance.add((dense.*part).const_data_ptr<float>() + first,
                     (found.logits.*part).const_data_ptr<float>() + first, length);
      }
    }
  }

  const SensitivityText& text_;
  torch::jit::Module module_;
  Runner runner_;
  std::vector<std::vector<int64_t>> batches_;
  std::vector<SpanLogits> dense_;  // by batch
};

// The numbers of rank 0.
void share(Sensitivity& sensitivity, const SensitivityOptions& options) {
  std::vector<double*> numbers;
  if (sensitivity.dense_f1) numbers.push_back(&*sensitivity.dense_f1);
  for (LayerCost& layer : sensitivity.layers) {
    numbers.insert(numbers.end(), {&layer.logit_error, &layer.divergence});
    if (layer.f1) numbers.push_back(&*layer.f1);
  }
  const at::Tensor host = at::empty({static_cast<int64_t>(numbers.size())}, at::kDouble);
  for (size_t i = 0; i < numbers.size(); ++i) host.mutable_data_ptr<double>()[i] = *numbers[i];
  broadcast_from_host(*options.comm, host, options.device);
  for (size_t i = 0; i < numbers.size(); ++i) *numbers[i] = host.const_data_ptr<double>()[i];
}

// What is no number is worst.
double badness(double value) { return std::isnan(value) ? std::numeric_limits<double>::infinity() : value; }

void sort_by_cost(std::vector<LayerCost>& layers) {
  std::stable_sort(layers.begin(), layers.end(), [](const LayerCost& a, const LayerCost& b) {
    if (a.f1 && b.f1 && *a.f1 != *b.f1) return *a.f1 < *b.f1;
    return badness(a.divergence) > badness(b.divergence);
  });
}

}  // namespace

Sensitivity measure_sensitivity(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                const CalibratedWeights& calibrated, const SensitivityText& text,
                                const SensitivityOptions& options) {
  const auto groups = pruned_groups(model, choices);
  Progress progress("sensitivity", static_cast<int64_t>(groups.size()) + 1);
  Measurement measurement(model, text, options);
  Sensitivity result;
  result.dense_f1 = measurement.run_dense();
  progress.advance("dense");
  for (const auto& group : groups) {
    throw_if_interrupted();
    result.layers.push_back(measurement.run_with(
        pruned_parameters(measurement.module(), model, choices, group, options.allow_nonfinite, calibrated)));
    progress.advance(result.layers.back().name);
  }
  progress.finish();
  if (options.comm != nullptr) share(result, options);
  sort_by_cost(result.layers);
  return result;
}

void check_skip_worst(int64_t count, size_t groups) {
  if (count < static_cast<int64_t>(groups)) return;
  throw Error(ExitStatus::kUsage, "prune",
              "--skip-worst " + std::to_string(count) + " leaves none of " + std::to_string(groups) +
                  " layers to prune; give a smaller number");
}

void skip_worst(const InlinedModel& model, int64_t count, std::vector<LayerCost>& costs,
                std::vector<LayerChoice>& choices) {
  check_skip_worst(count, costs.size());
  const auto groups = pruned_groups(model, choices);
  for (int64_t i = 0; i < count; ++i) {
    LayerCost& cost = costs[static_cast<size_t>(i)];
    cost.skipped = true;
    for (const auto& group : groups) {
      if (choices[group.front()].name != cost.name) continue;
      for (const size_t linear : group) {
        choices[linear].selected = false;
        choices[linear].rule = "--skip-worst " + std::to_string(count);
      }
    }
  }
}

}  // namespace prune2to4
