// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>

namespace prune2to4 {

// Thrown at the next safe point after SIGINT or SIGTERM; unwinding removes what was half written.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal) : signal_(signal) {}
  int exit_status() const { return 128 + signal_; }
  const char* what() const noexcept override { return "[signal] interrupted; no file was left half written"; }

 private:
  int signal_;
};

// SIGINT and SIGTERM set a flag; a second one ends the process at once with status 128 + signal. SIGXFSZ and
// SIGPIPE are ignored, so that a write reports them as an error.
void install_signal_handlers();

// Whether a signal has come.
bool interrupted();

// While one lives, throw_if_interrupted() of its thread does nothing: for what must be finished all the same.
class HeldInterrupts {
 public:
  HeldInterrupts();
  ~HeldInterrupts();
  HeldInterrupts(const HeldInterrupts&) = delete;
  HeldInterrupts& operator=(const HeldInterrupts&) = delete;
};

// Safe point: throws Interrupted when a signal has come.
void throw_if_interrupted();

}  // namespace prune2to4
