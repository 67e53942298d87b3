// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace prune2to4 {

// The process's exit status; README.md has the table.
enum class ExitStatus {
  kOk = 0,
  kGate = 1,        // a threshold the user set was missed
  kUsage = 2,       // command line or configuration
  kData = 3,        // tokenized data
  kModel = 4,       // the model archive or what it holds
  kFileSystem = 5,  // reading or writing a file failed
  kDiverged = 6,    // training diverged
  kDevice = 7,      // no such device, or an operation it cannot run
};

// What the user can mend. `what()` reads "[stage] culprit, and the mend".
class Error : public std::runtime_error {
 public:
  Error(ExitStatus status, const std::string& stage, const std::string& message)
      : std::runtime_error("[" + stage + "] " + message), status_(status) {}

  ExitStatus status() const { return status_; }

 private:
  ExitStatus status_;
};

}  // namespace prune2to4
