// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/progress.h"

#include <algorithm>
#include <utility>

#include "core/printable.h"
#include "core/status_line.h"
#include "prune2to4/log.h"
#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

constexpr int64_t kBarCells = 24;
constexpr std::chrono::milliseconds kTerminalInterval(100);

std::string bar(int64_t done, int64_t total) {
  const auto filled = static_cast<size_t>(std::clamp<int64_t>(done * kBarCells / total, 0, kBarCells));
  return "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "] ";
}

std::string count(int64_t done, int64_t total) {
  return std::to_string(done) + (total > 0 ? " of " + std::to_string(total) : "");
}

}  // namespace

Progress::Progress(std::string label, int64_t total, std::chrono::milliseconds plain_interval)
    : label_(std::move(label)),
      total_(total),
      terminal_(stderr_is_terminal()),
      enabled_(log::level() != log::Level::kQuiet),
      interval_(terminal_ ? kTerminalInterval : plain_interval),
      start_(Clock::now()),
      last_(terminal_ ? start_ - kTerminalInterval : start_) {}

Progress::~Progress() {
  if (enabled_) erase_status_line();
}

void Progress::advance(const std::string& item, int64_t steps) {
  done_ += steps;
  const auto now = Clock::now();
  if (!enabled_ || now - last_ < interval_) return;
  last_ = now;
  if (terminal_) {
    draw_status_line(label_ + " " + (total_ > 0 ? bar(done_, total_) : "") + count(done_, total_) + "  " +
                     printable(item));
  } else {
    log::info(label_ + ": " + count(done_, total_) + ", " + item);
  }
}

void Progress::finish() {
  if (!enabled_) return;
  enabled_ = false;
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  log::info(label_ + ": " + count(done_, total_) + " in " + format_seconds(elapsed.count()));
}

}  // namespace prune2to4
