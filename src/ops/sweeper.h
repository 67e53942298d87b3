// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "ops/sweep.h"
#include "prune2to4/api.h"

namespace prune2to4 {

struct Swept {
  std::map<std::string, double> milliseconds;  // by kernel, those that can run
  std::set<std::string> failed;                // kernels that ended the process, or took too long
};

struct SweeperOptions {
  std::chrono::milliseconds limit{60'000};  // for one candidate, and for the start
  std::chrono::milliseconds idle{10'000};   // then the process ends
};

// Times candidates in a program that calls serve_sweeps(). It is started when first needed, kept for a while,
// and started anew when a candidate has ended it. Thread-safe.
class PRUNE2TO4_API Sweeper {
 public:
  explicit Sweeper(std::filesystem::path program, SweeperOptions options = {});
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  // Nothing where it cannot be done, of which one warning tells; once the program could not be run, it is not
  // tried again.
  std::optional<Swept> sweep(SweepRequest request);
  // The process; 0: there is none.
  int process() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the thread that ends the idle process
};

}  // namespace prune2to4
