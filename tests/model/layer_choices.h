// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "prune2to4/layer_config.h"
#include "prune2to4/model.h"

namespace prune2to4 {

// Every linear layer of the model, chosen for that mask.
inline std::vector<LayerChoice> choose_all(const InlinedModel& model, const MaskOptions& mask = {}) {
  std::vector<LayerChoice> choices;
  for (const LinearLayer& linear : model.linears()) choices.push_back({linear.name, true, mask, "all"});
  return choices;
}

}  // namespace prune2to4
