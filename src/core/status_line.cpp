// SPDX-License-Identifier: Apache-2.0
#include "core/status_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace prune2to4 {
namespace {

constexpr size_t kDefaultColumns = 80;
constexpr std::string_view kEraseLine = "\r\033[K";

std::mutex& status_mutex() {
  static std::mutex mutex;
  return mutex;
}

bool line_drawn = false;  // guarded by status_mutex()

size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return kDefaultColumns;
  return size.ws_col;
}

// The first `width` code points.
std::string_view cut(std::string_view text, size_t width) {
  size_t end = 0;
  for (size_t points = 0; end < text.size(); ++end) {
    const bool starts_point = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (starts_point && ++points > width) break;
  }
  return text.substr(0, end);
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace

bool stderr_is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

void draw_status_line(const std::string& text) {
  const std::lock_guard<std::mutex> lock(status_mutex());
  print(kEraseLine);
  print(cut(text, terminal_columns() - 1));
  std::fflush(stderr);
  line_drawn = true;
}

void erase_status_line() {
  const std::lock_guard<std::mutex> lock(status_mutex());
  if (!line_drawn) return;
  print(kEraseLine);
  std::fflush(stderr);
  line_drawn = false;
}

}  // namespace prune2to4
