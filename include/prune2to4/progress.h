// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace prune2to4 {

// Progress of one stage on stderr: one line overprinted on a terminal (10 times a second at most), a plain
// line every 10 s elsewhere, and in both cases a last line from finish(); nothing below log::Level::kNormal.
// Lines name the time that is left once 5 % or 10 s are done and the total is known.
// Destroyed without finish(), as on an error, it erases its line and says nothing.
class Progress {
 public:
  // A `total` of 0: unknown.
  explicit Progress(std::string label, int64_t total,
                    std::chrono::milliseconds plain_interval = std::chrono::seconds(10));
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // An earlier run did the first `done` steps: they count, but tell nothing about the time that is left.
  void resume_at(int64_t done);

  // `item` names what is being worked on now.
  void advance(const std::string& item, int64_t steps = 1);
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  int64_t total_;
  int64_t done_ = 0;
  int64_t resumed_at_ = 0;
  bool terminal_;
  bool enabled_;
  Clock::duration interval_;
  Clock::time_point start_;
  Clock::time_point last_;
};

}  // namespace prune2to4
