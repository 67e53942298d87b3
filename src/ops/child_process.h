// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "prune2to4/api.h"

namespace prune2to4 {

// A program whose stdin is a socket that goes both ways; what it prints goes nowhere. It finds LibTorch where
// this process has it.
class PRUNE2TO4_API ChildProcess {
 public:
  // nullptr, and why, where it cannot be started.
  static std::unique_ptr<ChildProcess> start(const std::filesystem::path& program, std::string& reason);
  // Ends it at once.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  bool send_line(const std::string& line);
  // Nothing when it has ended, or when the time is over, not a moment before.
  std::optional<std::string> read_line(std::chrono::milliseconds limit);
  // How it ended, as waitpid() tells; it is given a moment to do so, then killed. Nothing where that cannot
  // be told.
  std::optional<int> end();
  pid_t id() const { return id_; }

 private:
  ChildProcess(pid_t id, int socket) : id_(id), socket_(socket) {}

  pid_t id_;
  int socket_;
  std::string read_;  // and not yet given out
};

}  // namespace prune2to4
