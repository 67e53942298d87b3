// SPDX-License-Identifier: Apache-2.0
#include "commands/calibration.h"

#include <chrono>
#include <filesystem>
#include <utility>

#include "prune2to4/cuda_backend.h"
#include "prune2to4/error.h"
#include "prune2to4/process_memory.h"

namespace prune2to4 {
namespace {

constexpr const char* kBestMethod = "reconstruction";
// Windows beyond these gain little: on a CPU for the time they take.
constexpr int64_t kGpuWindows = 1024;
constexpr int64_t kCpuWindows = 128;

std::optional<CalibrationMethod> method_named(const std::string& name) {
  for (const auto& [known, method] : kCalibrationMethods) {
    if (known == name) return method;
  }
  return std::nullopt;
}

}  // namespace

void check_method(const PruneOptions& options) {
  const bool measured = method_named(options.method).has_value();
  if (options.calibrate.empty() && measured) {
    throw Error(ExitStatus::kUsage, "prune",
                "--method " + options.method +
                    " needs text that the layers can see; name a tokenized file with --calibrate");
  }
  if (options.sequential && !options.method.empty() && !measured) {
    throw Error(ExitStatus::kUsage, "prune",
                "--sequential changes nothing for --method " + options.method +
                    ", which looks at no inputs; leave one of them out");
  }
}

bool is_thorough(const PruneOptions& options) {
  const bool best = options.method.empty() || options.method == kBestMethod;
  return !options.calibrate.empty() && best && !options.fast;
}

Calibration::Calibration(const PruneOptions& options)
    : method_(options.method.empty() ? kBestMethod : options.method),
      windows_(options.windows),
      sequential_(options.sequential || is_thorough(options)),
      correct_bias_(options.correct_bias),
      data_(TokenizedSquad::read(options.calibrate)),
      data_sha256_(sha256_of(data_.bytes())) {}

CalibratedWeights Calibration::run(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                                   bool sequential, Ranks& ranks, Report& report) const {
  const auto start = std::chrono::steady_clock::now();
  if (ranks.device.is_cuda()) cuda_backend().reset_peak_bytes(ranks.device);
  const int64_t by_device = ranks.device.is_cuda() ? kGpuWindows : kCpuWindows;
  CalibratedLayers layers = calibrate_layers(model, choices, data_,
                                             {.method = method_named(method_),
                                              .windows = windows_ > 0 ? windows_ : by_device,
                                              .device = ranks.device,
                                              .sequential = sequential,
                                              .correct_bias = correct_bias_,
                                              .comm = ranks.comm.get()});
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  CalibrationReport result;
  result.method = method_;
  result.data = std::filesystem::path(data_.file()).filename().string();
  result.data_sha256 = data_sha256_;
  result.windows = layers.windows;
  result.tokens = layers.tokens;
  result.seconds = passed.count();
  result.peak_bytes = process_peak_bytes();
  if (ranks.device.is_cuda()) result.device_peak_bytes = cuda_backend().peak_bytes(ranks.device);
  result.sequential = sequential;
  result.correct_bias = correct_bias_;
  report.calibration = std::move(result);
  report.warnings.insert(report.warnings.end(), layers.warnings.begin(), layers.warnings.end());
  return std::move(layers.weights);
}

}  // namespace prune2to4
