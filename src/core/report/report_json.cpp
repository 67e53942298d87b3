// SPDX-License-Identifier: Apache-2.0
#include "core/report/json_pieces.h"
#include "core/report/view.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/report.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::ordered_json;

Json mask_json(const std::optional<MaskOptions>& mask) {
  if (!mask) return {};
  return {{"sparsity_level", mask->sparsity_level},
          {"sparse_block_shape", mask->sparse_block_shape},
          {"zeros_per_block", mask->zeros_per_block},
          {"norm", mask->norm},
          {"ties", ties_name(mask->ties)}};
}

Json output_error_json(const std::optional<OutputError>& error) {
  if (!error) return {};
  return {{"weight_norm", error->weight_norm}, {"chosen", error->chosen}};
}

Json layer_json(const LayerReport& layer) {
  return {{"name", layer.name},
          {"shape", {layer.rows, layer.cols}},
          {"dtype", layer.dtype},
          {"outcome", outcome_name(layer.outcome)},
          {"rule", layer.rule},
          {"reason", text_or_null(layer.reason)},
          {"shares_with", text_or_null(layer.shares_with)},
          {"mask", mask_json(layer.mask)},
          {"elements", layer.rows * layer.cols},
          {"zeros", layer.zeros},
          {"negative_zeros", layer.negative_zeros},
          {"dense_bytes", layer.dense_bytes},
          {"stored_bytes", layer.stored_bytes},
          {"relative_error", layer.relative_error},
          {"output_error", output_error_json(layer.output_error)}};
}

Json permutation_json(const PermutationReport& permutation) {
  return {{"layers", permutation.layers},
          {"kept_before", permutation.kept_before},
          {"kept_after", permutation.kept_after},
          {"dtype", permutation.dtype},
          {"largest_logit", permutation.largest_logit},
          {"largest_logit_difference", permutation.largest_logit_difference},
          {"seconds", permutation.seconds}};
}

Json calibration_json(const CalibrationReport& calibration) {
  return {{"method", calibration.method},
          {"data", calibration.data},
          {"sha256", calibration.data_sha256},
          {"windows", calibration.windows},
          {"tokens", calibration.tokens},
          {"seconds", calibration.seconds},
          {"peak_bytes", calibration.peak_bytes},
          {"device_peak_bytes", value_or_null(calibration.device_peak_bytes)},
          {"sequential", calibration.sequential},
          {"correct_bias", calibration.correct_bias}};
}

Json sensitivity_json(const SensitivityReport& sensitivity) {
  Json layers = Json::array();
  for (const LayerCost& layer : sensitivity.layers) {
    layers.push_back(Json{{"name", layer.name},
                          {"logit_error", layer.logit_error},
                          {"divergence", layer.divergence},
                          {"f1", value_or_null(layer.f1)},
                          {"skipped", layer.skipped}});
  }
  return {{"method", sensitivity.method},
          {"data", sensitivity.data},
          {"sha256", sensitivity.data_sha256},
          {"windows", sensitivity.windows},
          {"dense_f1", value_or_null(sensitivity.dense_f1)},
          {"layers", std::move(layers)},
          {"seconds", sensitivity.seconds}};
}

Json totals_json(const Report& report) {
  const ReportTotals sum = totals(report);
  return {{"linear_layers", sum.linear_layers},
          {"selected", sum.selected},
          {"packed", sum.packed},
          {"masked", sum.masked},
          {"elements", sum.elements},
          {"zeros", sum.zeros},
          {"negative_zeros", sum.negative_zeros},
          {"dense_bytes", sum.dense_bytes},
          {"packed_bytes", sum.packed_bytes}};
}

Json file_json(const FileReport& file) {
  return {{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}};
}

Json probe_json(const ProbeReport& probe) {
  if (!probe.ran) return {{"ran", false}, {"reason", probe.reason}, {"needs", text_or_null(probe.needs)}};
  Json inputs = Json::array();
  for (const ProbeInput& input : probe.inputs) {
    inputs.push_back(Json{{"name", input.name}, {"dtype", input.dtype}, {"shape", input.shape}});
  }
  return {{"ran", true},
          {"source", text_or_null(probe.source)},
          {"inputs", std::move(inputs)},
          {"batch", probe.batch},
          {"sequence", probe.sequence},
          {"device", probe.device},
          {"dtype", probe.dtype},
          {"largest_logit", probe.largest_logit},
          {"largest_logit_difference", probe.largest_logit_difference},
          {"integers", probe.integers},
          {"changed_integers", probe.changed_integers}};
}

}  // namespace

std::string report_json(const Report& report) {
  Json layers = Json::array();
  for (const auto& layer : report.layers) layers.push_back(layer_json(layer));
  Json stages = Json::array();
  for (const auto& [stage, seconds] : report.seconds) {
    stages.push_back(Json{{"stage", stage}, {"seconds", seconds}});
  }
  return json_text({{"version", Report::kVersion},
                    {"command", report.command},
                    {"started", report.started},
                    {"dry_run", report.dry_run},
                    {"input", file_json(report.input)},
                    {"output", report.output ? file_json(*report.output) : Json()},
                    {"totals", totals_json(report)},
                    {"probe", report.probe ? probe_json(*report.probe) : Json()},
                    {"permutation", report.permutation ? permutation_json(*report.permutation) : Json()},
                    {"calibration", report.calibration ? calibration_json(*report.calibration) : Json()},
                    {"sensitivity", report.sensitivity ? sensitivity_json(*report.sensitivity) : Json()},
                    {"training", training_array(report.training)},
                    {"evaluation", report.evaluation ? evaluation_object(*report.evaluation) : Json()},
                    {"warnings", report.warnings},
                    {"layers", layers},
                    {"environment", named_values(report.environment)},
                    {"timing", stages}});
}

}  // namespace prune2to4
