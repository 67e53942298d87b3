// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "prune2to4/calibration.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/model.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/report.h"

namespace prune2to4 {

using CalibratedWeights = std::map<std::string, CalibratedWeight>;  // by name

// Whether mask_layers() masks the weight when it is chosen.
bool can_mask(const LinearLayer& layer);

// Takes layers off the choice that could be masked, but not packed, and notes why (LayerChoice::obstacle).
void leave_unpackable_dense(const InlinedModel& model, std::vector<LayerChoice>& choices);

// The layers that mask_layers() would mask, by their places in the model: those that share one weight and are
// pruned together in one group, in order.
std::vector<std::vector<size_t>> pruned_groups(const InlinedModel& model,
                                               const std::vector<LayerChoice>& choices);

// What pruning a group changes in `module`, the rewritten model, as mask_layers() would: weights and biases,
// on the device of the module's. Throws as that does.
std::vector<NamedTensor> pruned_parameters(const torch::jit::Module& module, const InlinedModel& model,
                                           const std::vector<LayerChoice>& choices,
                                           const std::vector<size_t>& group, bool allow_nonfinite,
                                           const CalibratedWeights& calibrated);

// Puts zeros into the chosen weights, in the model's own memory. A weight that shares memory with a tensor
// that is not pruned the same way gets memory of its own first, as PyTorch's parametrization would give it.
// A weight that forward also reads elsewhere stays as it is, and its report says so. A weight in `calibrated`
// gets that mask and those values, and its bias what is to be added; any other one gets the weight-norm mask.
// One report per linear layer, in order; `choices` likewise.
// Throws Error(kModel) on NaN or infinity in a chosen weight unless `allow_nonfinite`.
std::vector<LayerReport> mask_layers(InlinedModel& model, const std::vector<LayerChoice>& choices,
                                     bool allow_nonfinite, const CalibratedWeights& calibrated = {});

// Fills in what is known once the weights have their final dtype: sizes, zeros, and which layers are 2:4
// (Outcome::kPacked) or why not. Throws Error(kModel) when the conversion made a masked weight infinite.
void check_layers(const InlinedModel& model, bool allow_nonfinite, std::vector<LayerReport>& layers);

// Packs the layers whose outcome is kPacked, and drops each dense weight as soon as it is packed: the model
// can be rewritten afterwards, no longer run. Layers that share a weight share the packed one.
std::map<std::string, c10::IValue> pack_layers(InlinedModel& model, std::vector<LayerReport>& layers);

}  // namespace prune2to4
