// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/progress.h"

#include <catch2/catch.hpp>
#include <thread>

#include "child_process.h"
#include "prune2to4/log.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::Matches;
using std::chrono::milliseconds;

void three_steps(milliseconds interval) {
  Progress progress("mask", 3, interval);
  for (const char* name : {"a", "b", "c"}) progress.advance(name);
  progress.finish();
}

CATCH_TEST_CASE("without a terminal a quick stage prints its last line only") {
  const auto child = run_in_child([] { three_steps(std::chrono::seconds(10)); });
  CATCH_CHECK(child.status == 0);
  CATCH_CHECK_THAT(child.text, Matches("mask: 3 of 3 in 0\\.[0-9]{2} s\n"));
}

CATCH_TEST_CASE("without a terminal each interval prints a plain line") {
  const auto child = run_in_child([] { three_steps(milliseconds(0)); });
  CATCH_CHECK_THAT(child.text,
                   Matches("mask: 1 of 3, a\nmask: 2 of 3, b\nmask: 3 of 3, c\nmask: 3 of 3 in .* s\n"));
}

CATCH_TEST_CASE("quiet prints nothing") {
  for (const auto kind : {Stderr::kPipe, Stderr::kTerminal}) {
    const auto body = [] {
      log::set_level(log::Level::kQuiet);
      three_steps(milliseconds(0));
    };
    CATCH_CHECK(run_in_child(body, kind).text.empty());
  }
}

CATCH_TEST_CASE("a stage that ends early says nothing more") {
  CATCH_CHECK(run_in_child([] { Progress("mask", 3).advance("a"); }).text.empty());
  const auto on_terminal = run_in_child([] { Progress("mask", 3).advance("a"); }, Stderr::kTerminal);
  CATCH_CHECK(on_terminal.text.ends_with("a\r\x1b[K"));
}

CATCH_TEST_CASE("a terminal shows a bar and then the last line") {
  const auto child = run_in_child(
      [] {
        Progress progress("mask", 4);
        progress.advance("layer\x1b[2J", 2);
        progress.finish();
      },
      Stderr::kTerminal);
  CATCH_CHECK(child.text.starts_with("\r\x1b[Kmask [############............] 2 of 4  layer?[2J\r\x1b[K"));
  CATCH_CHECK_THAT(child.text.substr(child.text.rfind("mask")),
                   Matches("mask: 2 of 4 in 0\\.[0-9]{2} s\r\n"));
}

CATCH_TEST_CASE("the bar is cut to the terminal's width and stays within its ends") {
  const auto child =
      run_in_child([] { Progress("mask", 2).advance(std::string(200, 'n'), 5); }, Stderr::kTerminal);
  const std::string line = child.text.substr(4, child.text.find('\r', 1) - 4);
  CATCH_CHECK(line.starts_with("mask [########################] 5 of 2  nnn"));
  CATCH_CHECK(line.size() == kTerminalColumns - 1);
}

CATCH_TEST_CASE("an unknown total shows the count alone") {
  const auto child = run_in_child([] {
    Progress progress("read", 0, milliseconds(0));
    progress.advance("x", 7);
  });
  CATCH_CHECK(child.text == "read: 7, x\n");
}

// A stage of 1,000 steps that has done `steps` of them after some time.
void slow_stage(int64_t steps, int64_t resumed_at = 0) {
  Progress progress("train", 1000, milliseconds(0));
  if (resumed_at > 0) progress.resume_at(resumed_at);
  std::this_thread::sleep_for(milliseconds(120));
  progress.advance("loss 1.5", steps);
}

CATCH_TEST_CASE("the time that is left follows the count once 5 % are done") {
  CATCH_CHECK_THAT(run_in_child([] { slow_stage(50); }).text,
                   Matches("train: 50 of 1000, [0-9]+ s left, loss 1\\.5\n"));
  CATCH_CHECK_THAT(run_in_child([] { slow_stage(50); }, Stderr::kTerminal).text,
                   Contains("train [#.......................] 50 of 1000, ") && Contains(" s left  loss"));
  CATCH_CHECK(run_in_child([] { slow_stage(49); }).text == "train: 49 of 1000, loss 1.5\n");
  CATCH_CHECK(run_in_child([] { slow_stage(1000); }).text == "train: 1000 of 1000, loss 1.5\n");
}

CATCH_TEST_CASE("what an earlier run did counts, but not for the time that is left") {
  CATCH_CHECK(run_in_child([] { slow_stage(49, 400); }).text == "train: 449 of 1000, loss 1.5\n");
  const auto child = run_in_child([] { slow_stage(50, 400); });
  CATCH_CHECK_THAT(child.text, Matches("train: 450 of 1000, [0-9]+ s left, loss 1\\.5\n"));
}

CATCH_TEST_CASE("a log message erases the bar first") {
  const auto child = run_in_child(
      [] {
        Progress progress("mask", 2);
        progress.advance("a");
        log::info("note");
      },
      Stderr::kTerminal);
  CATCH_CHECK(child.text.ends_with("a\r\x1b[Knote\r\n"));
}

}  // namespace
}  // namespace prune2to4
