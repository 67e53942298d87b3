// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/report.h"

namespace prune2to4 {

// Method, data, time, and the mean error of the outputs beside the weight norm's; empty without calibration.
std::string calibration_sentence(const Report& report);

// "0.184"; "-" of a layer that is not calibrated.
std::string output_error_of(const LayerReport& layer);
std::string weight_norm_error_of(const LayerReport& layer);

}  // namespace prune2to4
