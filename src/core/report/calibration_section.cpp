// SPDX-License-Identifier: Apache-2.0
#include "core/report/calibration_section.h"

#include "core/report/view.h"

namespace prune2to4 {

std::string calibration_sentence(const Report& report) {
  if (!report.calibration) return "";
  const CalibrationReport& calibration = *report.calibration;
  double chosen = 0;
  double weight_norm = 0;
  int64_t layers = 0;
  for (const LayerReport& layer : report.layers) {
    if (!layer.output_error) continue;
    chosen += layer.output_error->chosen;
    weight_norm += layer.output_error->weight_norm;
    ++layers;
  }
  std::string text = "Calibrated by " + calibration.method + " on " + grouped(calibration.windows) +
                     " windows (" + grouped(calibration.tokens) + " tokens) of " + calibration.data + " in " +
                     format_seconds(calibration.seconds);
  if (layers == 0) return text + ".";
  const auto mean = [&](double sum) { return fixed(100 * sum / static_cast<double>(layers), 1) + "%"; };
  return text + "; a layer's outputs there are off by " + mean(chosen) +
         " on average, with weight-norm masks alone by " + mean(weight_norm) + ".";
}

std::string output_error_of(const LayerReport& layer) {
  return layer.output_error ? format_number(layer.output_error->chosen, 3) : "-";
}

std::string weight_norm_error_of(const LayerReport& layer) {
  return layer.output_error ? format_number(layer.output_error->weight_norm, 3) : "-";
}

}  // namespace prune2to4
