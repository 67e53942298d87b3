// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "commands/training.h"
#include "prune2to4/calibrate_layers.h"
#include "prune2to4/commands.h"
#include "prune2to4/report.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// Throws Error(kUsage) when --method names one that needs --calibrate, which is not given.
void check_method(const PruneOptions& options);

// What `prune --calibrate` calibrates on. Its data is read before any work is done.
class Calibration {
 public:
  // Precondition: options.calibrate names a file.
  explicit Calibration(const PruneOptions& options);

  // Tells the report of it.
  CalibratedWeights run(const InlinedModel& model, const std::vector<LayerChoice>& choices, Ranks& ranks,
                        Report& report) const;

 private:
  std::string method_;
  int64_t windows_;
  TokenizedSquad data_;
  std::string data_sha256_;
};

}  // namespace prune2to4
