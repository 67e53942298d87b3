// SPDX-License-Identifier: Apache-2.0
#include "core/report/calibration_section.h"

#include "core/report/view.h"

namespace prune2to4 {

namespace {

// ", peak memory 638 MiB, of the GPU 2.39 GiB"; empty when it is not known.
std::string peak_memory(const CalibrationReport& calibration) {
  if (calibration.peak_bytes == 0) return "";
  std::string text = ", peak memory " + format_bytes(calibration.peak_bytes);
  if (calibration.device_peak_bytes) text += ", of the GPU " + format_bytes(*calibration.device_peak_bytes);
  return text;
}

}  // namespace

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
  std::string text =
      "Calibrated by " + calibration.method + (calibration.sequential ? " layer after layer" : "") +
      (calibration.correct_bias ? ", biases corrected," : "") + " on " + grouped(calibration.windows) +
      " windows (" + grouped(calibration.tokens) + " tokens) of " + calibration.data + " in " +
      format_seconds(calibration.seconds) + peak_memory(calibration);
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
