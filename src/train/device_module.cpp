// SPDX-License-Identifier: Apache-2.0
#include "train/device_module.h"

#include "prune2to4/module_parameters.h"

namespace prune2to4 {

DeviceModule::DeviceModule(const torch::jit::Module& source, const std::vector<PrunedWeight>& pruned,
                           at::Device device)
    : module(source.clone()), parameters(make_parameters(forward_parameters(source), pruned, device)) {
  std::vector<NamedTensor> views;
  for (const Parameter& parameter : parameters.list) views.push_back({parameter.name, parameter.value});
  set_parameters(module, views);
  module.to(device);
}

void DeviceModule::write_back(torch::jit::Module& target) const {
  const at::NoGradGuard no_gradients;
  for (NamedTensor& each : forward_parameters(target))
    each.tensor.detach().copy_(parameters.at(each.name).value);
}

void DeviceModule::read_from(const torch::jit::Module& source) {
  const at::NoGradGuard no_gradients;
  for (const NamedTensor& each : forward_parameters(source))
    parameters.at(each.name).value.detach().copy_(each.tensor);
}

}  // namespace prune2to4
