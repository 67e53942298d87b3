// SPDX-License-Identifier: Apache-2.0
#include "commands/stages.h"

#include "prune2to4/interrupt.h"
#include "prune2to4/log.h"

namespace prune2to4 {

void Stages::done(const std::string& stage) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - last_).count();
  report_.seconds.emplace_back(stage, seconds);
  log::debug(stage + ": " + format_number(seconds, 3) + " s");
  last_ = now;
  throw_if_interrupted();
}

}  // namespace prune2to4
