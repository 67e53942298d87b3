// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "prune2to4/module_parameters.h"
#include "prune2to4/train.h"

namespace prune2to4 {

// One parameter's place in the flat buffers.
struct Parameter {
  std::string name;
  at::Tensor value;     // leaf that requires a gradient, a view of `values`
  at::Tensor gradient;  // its .grad, a view of `gradients`
  int64_t offset = 0;   // elements
  int64_t size = 0;
  const PrunedWeight* pruned = nullptr;
};

// All trained parameters in fp32, one behind the other: first the pruned ones, then the other ones with
// weight decay, then those without it. What is done to all of them is one operation.
struct Parameters {
  std::vector<Parameter> list;
  at::Tensor values;     // fp32 [size]
  at::Tensor gradients;  // likewise
  at::Tensor mask;       // uint8 [pruned]: 1 keeps, 0 prunes
  int64_t pruned = 0;    // elements
  int64_t decayed = 0;   // elements, the pruned ones included
  int64_t size = 0;

  const Parameter& at(const std::string& name) const;
};

// `pruned` must outlive the result. Biases and one-dimensional weights (LayerNorm's) do not decay.
Parameters make_parameters(const std::vector<NamedTensor>& tensors, const std::vector<PrunedWeight>& pruned,
                           at::Device device);

}  // namespace prune2to4
