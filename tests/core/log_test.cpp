// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/log.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "child_process.h"

namespace prune2to4 {
namespace {

void log_all(log::Level level) {
  log::set_level(level);
  log::error("E");
  log::warn("W");
  log::info("I");
  log::debug("D");
}

CATCH_TEST_CASE("each level prints its messages, warnings and errors with a prefix") {
  const std::string loud = "prune2to4: error: E\nprune2to4: warning: W\n";
  CATCH_CHECK(run_in_child([] { log_all(log::Level::kQuiet); }).text == loud);
  CATCH_CHECK(run_in_child([] { log_all(log::Level::kNormal); }).text == loud + "I\n");
  CATCH_CHECK(run_in_child([] { log_all(log::Level::kVerbose); }).text == loud + "I\nD\n");
}

CATCH_TEST_CASE("a message is not a format string and cannot drive the terminal") {
  CATCH_CHECK(run_in_child([] { log::info("{} %s %n {0}"); }).text == "{} %s %n {0}\n");
  CATCH_CHECK(run_in_child([] { log::info("a\x1b[2Jb"); }).text == "a?[2Jb\n");
}

CATCH_TEST_CASE("a terminal gets colour on the prefix only") {
  const std::string text = run_in_child([] { log::warn("W"); }, Stderr::kTerminal).text;
  CATCH_CHECK(text.starts_with("\x1b["));
  CATCH_CHECK(text.ends_with("W\r\n"));
  CATCH_CHECK(run_in_child([] { log::info("I"); }, Stderr::kTerminal).text == "I\r\n");
}

CATCH_TEST_CASE("NO_COLOR and a dumb terminal get no colour") {
  const auto with = [](const char* name, const char* value) {
    const auto body = [=] {
      ::setenv(name, value, 1);
      log::warn("W");
    };
    return run_in_child(body, Stderr::kTerminal).text;
  };
  CATCH_CHECK(with("NO_COLOR", "1") == "prune2to4: warning: W\r\n");
  CATCH_CHECK(with("TERM", "dumb") == "prune2to4: warning: W\r\n");
  CATCH_CHECK(with("NO_COLOR", "").starts_with("\x1b["));
}

}  // namespace
}  // namespace prune2to4
