// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/calibrate_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "prune2to4/input_capture.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

constexpr int64_t kGpuBatchTokens = 16384;
constexpr int64_t kCpuBatchTokens = 4096;

bool finite(const at::Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); }

CalibratedWeight weight_norm(const LinearLayer& layer, const at::Tensor& weight, const MaskOptions& mask,
                             const InputMoments& moments) {
  CalibratedWeight result;
  const at::Tensor masked = layer.weight.detach().clone(at::MemoryFormat::Contiguous);
  result.mask = weight_norm_mask(masked, mask);
  apply_mask(masked.mutable_data_ptr(), masked.element_size(), result.mask);
  result.weight = masked.to(at::kFloat);
  result.error = output_error(weight, result.weight.to(weight.device()), moments);
  result.weight_norm_error = result.error;
  return result;
}

// The bits of rank 0, whatever the others' kernels rounded differently.
void share(CalibratedWeight& weight, at::Device device, Comm& comm) {
  const auto broadcast = [&](const at::Tensor& host) { broadcast_from_host(comm, host, device); };
  broadcast(weight.weight);
  if (weight.bias_change.defined()) broadcast(weight.bias_change);
  broadcast(at::from_blob(weight.mask.data(), {static_cast<int64_t>(weight.mask.size())}, at::kByte));
}

// The chosen layers that can be masked, by name.
std::map<std::string, size_t> chosen_layers(const InlinedModel& model,
                                            const std::vector<LayerChoice>& choices) {
  std::map<std::string, size_t> chosen;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].selected && can_mask(model.linears()[i])) chosen.emplace(choices[i].name, i);
  }
  return chosen;
}

// One run over all layers.
class Calibration {
 public:
  Calibration(const InlinedModel& model, const std::vector<LayerChoice>& choices,
              const CalibrateOptions& options)
      : model_(model),
        choices_(choices),
        options_(options),
        chosen_(chosen_layers(model, choices)),
        dense_(model.rewrite({}, options.device)) {
    if (options.correct_bias) biases_ = linear_biases(dense_);
  }

  CalibratedLayers run(const TokenizedSquad& data) {
    std::vector<std::string> names;
    for (const auto& [name, index] : chosen_) names.push_back(name);
    const std::vector<int64_t> windows = spread_windows(data.windows(), options_.windows);
    result_.windows = static_cast<int64_t>(windows.size());
    for (const int64_t window : windows) result_.tokens += data.length(window);
    const at::Device device = options_.device;
    const CaptureOptions capture{.batch_tokens = device.is_cpu() ? kCpuBatchTokens : kGpuBatchTokens};
    const auto use = [&](const CapturedInput& input) { calibrate_all(input); };
    if (options_.sequential) {
      torch::jit::Module pruned = model_.rewrite({}, device);
      capture_sequentially(dense_, pruned, device, names, data, windows, capture,
                           [&](const CapturedInput& input) {
                             use(input);
                             prune(pruned, input.weights);
                           });
    } else {
      capture_inputs(dense_, device, names, data, windows, capture, use);
    }
    for (const std::string& name : names) {
      if (!seen_.contains(name)) leave_out(name, "forward did not call it");
    }
    return std::move(result_);
  }

 private:
  void leave_out(const std::string& name, const std::string& reason) {
    result_.warnings.push_back("'" + name + "' is not calibrated: " + reason + "; the weight norm masks it");
  }

  void calibrate_all(const CapturedInput& input) {
    const at::NoGradGuard no_gradients;
    for (const std::string& name : input.weights) {
      seen_.insert(name);
      calibrate(name, input.moments);
    }
  }

  void calibrate(const std::string& name, const InputMoments& moments) {
    const size_t index = chosen_.at(name);
    const LinearLayer& layer = model_.linears()[index];
    const MaskOptions& mask = choices_[index].mask;
    const at::Tensor weight = layer.weight.detach().to(options_.device);
    if (!finite(weight)) return leave_out(name, "it holds NaN or infinity");
    if (!finite(moments.products)) return leave_out(name, "its inputs hold NaN or infinity");
    CalibratedWeight calibrated = options_.method
                                      ? calibrate_weight(weight, moments, mask, {.method = *options_.method})
                                      : weight_norm(layer, weight, mask, moments);
    if (options_.correct_bias) change_bias(name, weight, moments, calibrated);
    calibrated.weight = calibrated.weight.to(at::kCPU);
    if (options_.comm != nullptr) share(calibrated, options_.device, *options_.comm);
    for (const std::string& note : calibrated.notes) result_.warnings.push_back("'" + name + "': " + note);
    result_.weights.emplace(name, std::move(calibrated));
  }

  void change_bias(const std::string& name, const at::Tensor& weight, const InputMoments& moments,
                   CalibratedWeight& calibrated) const {
    const auto bias = biases_.find(name);
    if (bias == biases_.end()) {
      calibrated.notes.emplace_back("it has no bias of its own to correct");
      return;
    }
    calibrated.bias_name = bias->second.name;
    calibrated.bias_change =
        mean_output_change(weight, calibrated.weight.to(options_.device), moments).to(at::kCPU);
  }

  void prune(torch::jit::Module& pruned, const std::vector<std::string>& names) const {
    for (const auto& group : pruned_groups(model_, choices_)) {
      const std::string& first = model_.linears()[group.front()].name;
      if (std::find(names.begin(), names.end(), first) == names.end()) continue;
      for (const NamedTensor& each :
           pruned_parameters(pruned, model_, choices_, group, /*allow_nonfinite=*/true, result_.weights)) {
        set_parameter(pruned, each);
      }
    }
  }

  const InlinedModel& model_;
  const std::vector<LayerChoice>& choices_;
  const CalibrateOptions& options_;
  std::map<std::string, size_t> chosen_;
  torch::jit::Module dense_;
  std::map<std::string, NamedTensor> biases_;  // by weight
  std::set<std::string> seen_;
  CalibratedLayers result_;
};

}  // namespace

CalibratedLayers calibrate_layers(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                  const TokenizedSquad& data, const CalibrateOptions& options) {
  return Calibration(model, choices, options).run(data);
}

}  // namespace prune2to4
