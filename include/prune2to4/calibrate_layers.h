// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/comm.h"
#include "prune2to4/prune_layers.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// As --method names them; the weight norm needs no inputs, and only its errors are measured.
inline const std::vector<std::pair<std::string, std::optional<CalibrationMethod>>> kCalibrationMethods{
    {"weight-norm", std::nullopt},
    {"wanda", CalibrationMethod::kWanda},
    {"sparsegpt", CalibrationMethod::kSparseGpt},
    {"reconstruction", CalibrationMethod::kReconstruction}};

struct CalibrateOptions {
  std::optional<CalibrationMethod> method = CalibrationMethod::kReconstruction;  // none: the weight norm
  int64_t windows = 1024;  // at most, spread evenly over the data
  at::Device device = at::kCPU;
  // Each layer for what the layers before it give when they are pruned, not for what the dense model gives.
  bool sequential = false;
  bool correct_bias = false;  // also CalibratedWeight::bias_change, where a layer has a bias of its own
  Comm* comm = nullptr;       // every rank gets rank 0's weights; nullptr: one process
};

struct CalibratedLayers {
  CalibratedWeights weights;
  int64_t windows = 0;
  int64_t tokens = 0;
  std::vector<std::string> warnings;  // layer by layer: what had to be handled, or why it is not calibrated
};

// Masks and weights of the chosen layers for what the dense model's layers see on the data's windows; the
// model stays as it is. One layer's moments are used, then given back (CaptureOptions::moment_bytes). A layer
// that sees nothing, or NaN or infinity, is left out: mask_layers() then masks it by the weight norm.
// `sequential` runs the windows through the dense and a second, pruned copy of the model for every input.
// Throws what capture_inputs() and calibrate_weight() throw.
CalibratedLayers calibrate_layers(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                  const TokenizedSquad& data, const CalibrateOptions& options);

}  // namespace prune2to4
