// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/progress.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/printable.h"
#include "core/status_line.h"
#include "prune2to4/log.h"
#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

constexpr int64_t kBarCells = 24;
constexpr std::chrono::milliseconds kTerminalInterval(100);
constexpr double kLeastShare = 0.05;  // to tell the time that is left from
constexpr double kLeastSeconds = 10;

std::string bar(int64_t done, int64_t total) {
  const auto filled = static_cast<size_t>(std::clamp<int64_t>(done * kBarCells / total, 0, kBarCells));
  return "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "] ";
}

// "1 min 20 s", "2 h 5 min"
std::string long_time(int64_t seconds) {
  const int64_t minutes = seconds / 60;
  if (minutes < 60) return std::to_string(minutes) + " min " + std::to_string(seconds % 60) + " s";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

std::string count(int64_t done, int64_t total) {
  return std::to_string(done) + (total > 0 ? " of " + std::to_string(total) : "");
}

// ", 1 min 20 s left"; empty while there is too little to tell from, and in the last second.
std::string time_left(int64_t done, int64_t worked, int64_t total, double seconds) {
  const bool known = worked > 0 && (static_cast<double>(worked) >= kLeastShare * static_cast<double>(total) ||
                                    seconds >= kLeastSeconds);
  if (!known || done >= total) return "";
  const double left = seconds * static_cast<double>(total - done) / static_cast<double>(worked);
  const auto whole = static_cast<int64_t>(std::llround(left));
  if (whole < 1) return "";
  return ", " + (whole < 60 ? std::to_string(whole) + " s" : long_time(whole)) + " left";
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

void Progress::resume_at(int64_t done) {
  resumed_at_ = done;
  done_ = done;
}

void Progress::advance(const std::string& item, int64_t steps) {
  done_ += steps;
  const auto now = Clock::now();
  if (!enabled_ || now - last_ < interval_) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string state = count(done_, total_) + time_left(done_, done_ - resumed_at_, total_, seconds);
  if (terminal_) {
    draw_status_line(label_ + " " + (total_ > 0 ? bar(done_, total_) : "") + state + "  " + printable(item));
  } else {
    log::info(label_ + ": " + state + ", " + item);
  }
}

void Progress::finish() {
  if (!enabled_) return;
  enabled_ = false;
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  log::info(label_ + ": " + count(done_, total_) + " in " + format_seconds(elapsed.count()));
}

}  // namespace prune2to4
