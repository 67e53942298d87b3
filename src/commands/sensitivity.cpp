// SPDX-License-Identifier: Apache-2.0
#include "commands/sensitivity.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "prune2to4/error.h"
#include "prune2to4/input_capture.h"

namespace prune2to4 {
namespace {

// Enough of a calibration's windows to rank layers.
constexpr int64_t kLogitWindows = 256;

}  // namespace

bool wants_sensitivity(const PruneOptions& options) {
  if (!options.sensitivity && options.skip_worst == 0) return false;
  if (!options.eval.empty() || !options.calibrate.empty()) return true;
  throw Error(ExitStatus::kUsage, "prune",
              std::string(options.sensitivity ? "--sensitivity" : "--skip-worst") +
                  " needs text to run: name questions with --eval, for F1, or any tokenized text with "
                  "--calibrate, for the logits alone");
}

void measure_costs(const PruneOptions& options, const InlinedModel& model,
                   const CalibratedWeights& calibrated, const EvaluationInput* questions,
                   const Calibration* calibration, Ranks& ranks, std::vector<LayerChoice>& choices,
                   Report& report) {
  const auto start = std::chrono::steady_clock::now();
  const SensitivityOptions measured{ranks.device, default_batch_tokens(ranks.device), options.allow_nonfinite,
                                    ranks.comm.get()};
  SensitivityReport result;
  result.method = report.calibration ? report.calibration->method : "weight-norm";
  Sensitivity found;
  if (questions != nullptr) {
    const EvaluationData described = questions->describe();
    result.data = described.name;
    result.data_sha256 = described.sha256;
    result.windows = described.windows;
    const Questions& asked = questions->questions();
    found = measure_sensitivity(model, choices, calibrated,
                                {asked.data, spread_windows(asked.windows, asked.windows), asked}, measured);
  } else {
    const TokenizedSquad& data = calibration->data();
    const auto windows = spread_windows(
        data.windows(), options.windows > 0 ? std::min(options.windows, kLogitWindows) : kLogitWindows);
    result.data = std::filesystem::path(data.file()).filename().string();
    result.data_sha256 = calibration->data_sha256();
    result.windows = static_cast<int64_t>(windows.size());
    found = measure_sensitivity(model, choices, calibrated, {data, windows, std::nullopt}, measured);
  }
  result.dense_f1 = found.dense_f1;
  result.layers = std::move(found.layers);
  if (options.skip_worst > 0) skip_worst(model, options.skip_worst, result.layers, choices);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.sensitivity = std::move(result);
}

}  // namespace prune2to4
