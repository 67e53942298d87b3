// SPDX-License-Identifier: Apache-2.0
#include "train/parameters.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <stdexcept>

namespace prune2to4 {
namespace {

// 0: pruned, 1: decays, 2: does not.
int group_of(const Parameter& parameter, const at::Tensor& tensor) {
  if (parameter.pruned != nullptr) return 0;
  return tensor.dim() > 1 ? 1 : 2;
}

}  // namespace

const Parameter& Parameters::at(const std::string& name) const {
  for (const Parameter& parameter : list) {
    if (parameter.name == name) return parameter;
  }
  throw std::logic_error("no parameter " + name);
}

Parameters make_parameters(const std::vector<NamedTensor>& tensors, const std::vector<PrunedWeight>& pruned,
                           at::Device device) {
  struct Source {
    Parameter parameter;
    at::Tensor tensor;
  };
  std::vector<Source> sources;
  for (const NamedTensor& each : tensors) {
    const auto chosen = std::find_if(pruned.begin(), pruned.end(),
                                     [&](const PrunedWeight& weight) { return weight.name == each.name; });
    Parameter parameter;
    parameter.name = each.name;
    parameter.size = each.tensor.numel();
    parameter.pruned = chosen != pruned.end() ? &*chosen : nullptr;
    sources.push_back({std::move(parameter), each.tensor});
  }
  std::stable_sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) {
    return group_of(a.parameter, a.tensor) < group_of(b.parameter, b.tensor);
  });

  Parameters result;
  for (Source& source : sources) {
    const int group = group_of(source.parameter, source.tensor);
    source.parameter.offset = result.size;
    result.size += source.parameter.size;
    if (group == 0) result.pruned = result.size;
    if (group <= 1) result.decayed = result.size;
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  result.values = at::zeros({result.size}, options);
  result.gradients = at::zeros({result.size}, options);
  result.mask = at::ones({result.pruned}, options.dtype(at::kByte));
  for (Source& source : sources) {
    Parameter& parameter = source.parameter;
    const auto view = [&](const at::Tensor& flat) {
      return flat.narrow(0, parameter.offset, parameter.size).view(source.tensor.sizes());
    };
    parameter.value = view(result.values).detach();
    parameter.value.copy_(source.tensor.detach());
    parameter.value.set_requires_grad(true);
    parameter.gradient = view(result.gradients);
    parameter.value.mutable_grad() = parameter.gradient;
    result.list.push_back(std::move(parameter));
  }
  return result;
}

}  // namespace prune2to4
