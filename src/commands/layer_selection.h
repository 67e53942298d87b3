// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "prune2to4/layer_config.h"
#include "prune2to4/model.h"
#include "prune2to4/report.h"

namespace prune2to4 {

// What the config says about each linear layer of the model. Without `allow_unpacked`, layers that cannot be
// packed are taken off the choice. Throws Error(kUsage) when no layer is selected, Error(kModel) when forward
// hides the linear layers that would be, or when none of those selected can be packed; the messages name the
// layers. Appends to `warnings` what a user should know of the chosen layers.
std::vector<LayerChoice> select_layers(const InlinedModel& model, const LayerConfig& config,
                                       bool allow_unpacked, std::vector<std::string>& warnings);

// Throws Error(kModel) with the reasons by layer when no layer is packed.
void require_packed(const std::vector<LayerReport>& layers);

}  // namespace prune2to4
