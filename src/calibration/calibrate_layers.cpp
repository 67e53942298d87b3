// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/calibrate_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>

#include <set>

#include "prune2to4/input_capture.h"
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
  const auto broadcast = [&](const at::Tensor& host) {
    const at::Tensor tensor = host.to(device).contiguous();
    comm.broadcast(tensor);
    host.copy_(tensor);
  };
  broadcast(weight.weight);
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

}  // namespace

CalibratedLayers calibrate_layers(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                  const TokenizedSquad& data, const CalibrateOptions& options) {
  const std::map<std::string, size_t> chosen = chosen_layers(model, choices);
  std::vector<std::string> names;
  for (const auto& [name, index] : chosen) names.push_back(name);
  const std::vector<int64_t> windows = spread_windows(data.windows(), options.windows);
  CalibratedLayers result;
  result.windows = static_cast<int64_t>(windows.size());
  for (const int64_t window : windows) result.tokens += data.length(window);

  std::set<std::string> seen;
  const auto calibrate = [&](const std::string& name, const InputMoments& moments) {
    seen.insert(name);
    const size_t index = chosen.at(name);
    const LinearLayer& layer = model.linears()[index];
    const at::Tensor weight = layer.weight.detach().to(options.device);
    if (!finite(weight) || !finite(moments.products)) {
      result.warnings.push_back("'" + name +
                                "' is not calibrated: " + (finite(weight) ? "its inputs hold" : "it holds") +
                                " NaN or infinity; the weight norm masks it");
      return;
    }
    CalibratedWeight calibrated =
        options.method ? calibrate_weight(weight, moments, choices[index].mask, {.method = *options.method})
                       : weight_norm(layer, weight, choices[index].mask, moments);
    calibrated.weight = calibrated.weight.to(at::kCPU);
    if (options.comm != nullptr) share(calibrated, options.device, *options.comm);
    for (const std::string& note : calibrated.notes) result.warnings.push_back("'" + name + "': " + note);
    result.weights.emplace(name, std::move(calibrated));
  };
  const CaptureOptions capture{.batch_tokens = options.device.is_cpu() ? kCpuBatchTokens : kGpuBatchTokens};
  capture_inputs(model.rewrite({}, options.device), options.device, names, data, windows, capture,
                 [&](const CapturedInput& input) {
                   const at::NoGradGuard no_gradients;
                   for (const std::string& name : input.weights) calibrate(name, input.moments);
                 });
  for (const std::string& name : names) {
    if (seen.contains(name)) continue;
    result.warnings.push_back("'" + name +
                              "' is not calibrated: forward did not call it; the weight norm masks it");
  }
  return result;
}

}  // namespace prune2to4
