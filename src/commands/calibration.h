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

// Throws Error(kUsage) when --method names one that needs --calibrate, which is not given, or one that
// --sequential means nothing to.
void check_method(const PruneOptions& options);

// Whether --calibrate does what is most accurate: reconstruction, without --fast.
bool is_thorough(const PruneOptions& options);

// What `prune --calibrate` calibrates on. Its data is read before any work is done.
class Calibration {
 public:
  // Precondition: options.calibrate names a file.
  explicit Calibration(const PruneOptions& options);

  // Tells the report of it. `sequential`: see CalibrateOptions.
  CalibratedWeights run(const InlinedModel& model, const std::vector<LayerChoice>& choices, bool sequential,
                        Ranks& ranks, Report& report) const;

  bool sequential() const { return sequential_; }  // see CalibrateOptions
  const TokenizedSquad& data() const { return data_; }
  const std::string& data_sha256() const { return data_sha256_; }

 private:
  std::string method_;
  int64_t windows_;
  bool sequential_;
  bool correct_bias_;
  TokenizedSquad data_;
  std::string data_sha256_;
};

}  // namespace prune2to4
