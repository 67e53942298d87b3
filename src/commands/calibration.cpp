// SPDX-License-Identifier: Apache-2.0
#include "commands/calibration.h"

#include <chrono>
#include <filesystem>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr const char* kBestMethod = "reconstruction";

std::optional<CalibrationMethod> method_named(const std::string& name) {
  for (const auto& [known, method] : kCalibrationMethods) {
    if (known == name) return method;
  }
  return std::nullopt;
}

}  // namespace

void check_method(const PruneOptions& options) {
  if (!options.calibrate.empty() || !method_named(options.method)) return;
  throw Error(ExitStatus::kUsage, "prune",
              "--method " + options.method +
                  " needs text that the layers can see; name a tokenized file with --calibrate");
}

Calibration::Calibration(const PruneOptions& options)
    : method_(options.method.empty() ? kBestMethod : options.method),
      windows_(options.windows),
      data_(TokenizedSquad::read(options.calibrate)),
      data_sha256_(sha256_of(data_.bytes())) {}

CalibratedWeights Calibration::run(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                   Ranks& ranks, Report& report) const {
  const auto start = std::chrono::steady_clock::now();
  CalibratedLayers layers = calibrate_layers(
      model, choices, data_, {method_named(method_), windows_, ranks.device, ranks.comm.get()});
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  report.calibration =
      CalibrationReport{method_,       std::filesystem::path(data_.file()).filename().string(),
                        data_sha256_,  layers.windows,
                        layers.tokens, passed.count()};
  report.warnings.insert(report.warnings.end(), layers.warnings.begin(), layers.warnings.end());
  return std::move(layers.weights);
}

}  // namespace prune2to4
