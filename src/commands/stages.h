// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "prune2to4/report.h"

namespace prune2to4 {

// Seconds of each stage, into the report.
class Stages {
 public:
  explicit Stages(Report& report) : report_(report) {}
  // Throws Interrupted after a signal.
  void done(const std::string& stage);

 private:
  Report& report_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace prune2to4
