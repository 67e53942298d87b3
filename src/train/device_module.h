// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <vector>

#include "train/parameters.h"

namespace prune2to4 {

// A copy of a module on a device whose trained parameters are views of flat buffers, in fp32.
struct DeviceModule {
  torch::jit::Module module;
  Parameters parameters;

  // `source` is one inlined graph on the CPU and stays as it is; `pruned` must outlive the result.
  DeviceModule(const torch::jit::Module& source, const std::vector<PrunedWeight>& pruned, at::Device device);

  // Copies the values into the tensors of `target`, the module that this one was made of.
  void write_back(torch::jit::Module& target) const;
  // The other way round.
  void read_from(const torch::jit::Module& source);
};

}  // namespace prune2to4
