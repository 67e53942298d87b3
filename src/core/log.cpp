// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "core/printable.h"
#include "core/status_line.h"

namespace prune2to4::log {
namespace {

std::atomic<Level> current_level{Level::kNormal};

// "prune2to4: warning: " before warnings and errors; notes stand alone.
class Prefix : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    std::string_view text;
    if (message.level == spdlog::level::warn) text = "prune2to4: warning: ";
    if (message.level == spdlog::level::err) text = "prune2to4: error: ";
    out.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override { return std::make_unique<Prefix>(); }
};

struct Output {
  std::shared_ptr<spdlog::sinks::ansicolor_stderr_sink_mt> sink;
  spdlog::logger logger;

  Output()
      : sink(std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(spdlog::color_mode::never)),
        logger("prune2to4", sink) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<Prefix>('*').set_pattern("%^%*%$%v");
    logger.set_formatter(std::move(formatter));
    logger.set_level(spdlog::level::trace);
    logger.flush_on(spdlog::level::trace);
  }
};

bool wants_colour() {
  const char* no_color = std::getenv("NO_COLOR");
  return stderr_is_terminal() && (no_color == nullptr || *no_color == '\0');
}

void print(spdlog::level::level_enum severity, const std::string& message) {
  static Output output;
  erase_status_line();
  output.sink->set_color_mode(wants_colour() ? spdlog::color_mode::always : spdlog::color_mode::never);
  output.logger.log(severity, printable(message));
}

}  // namespace

void set_level(Level level) { current_level = level; }
Level level() { return current_level; }

void error(const std::string& message) { print(spdlog::level::err, message); }

void warn(const std::string& message) { print(spdlog::level::warn, message); }

void info(const std::string& message) {
  if (current_level != Level::kQuiet) print(spdlog::level::info, message);
}

void debug(const std::string& message) {
  if (current_level == Level::kVerbose) print(spdlog::level::debug, message);
}

}  // namespace prune2to4::log
