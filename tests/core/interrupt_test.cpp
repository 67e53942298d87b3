// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "child_process.h"

namespace prune2to4 {
namespace {

CATCH_TEST_CASE("without a signal a safe point does nothing") { CATCH_CHECK_NOTHROW(throw_if_interrupted()); }

CATCH_TEST_CASE("a signal is reported at the next safe point with its exit status") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto child = run_in_child([signal] {
      install_signal_handlers();
      throw_if_interrupted();
      ::raise(signal);
      try {
        throw_if_interrupted();
      } catch (const Interrupted& interrupted) {
        ::_exit(interrupted.exit_status());
      }
    });
    CATCH_CHECK(child.status == 128 + signal);
    CATCH_CHECK(child.text.empty());
  }
}

CATCH_TEST_CASE("a second signal ends the process at once") {
  const auto child = run_in_child([] {
    install_signal_handlers();
    ::raise(SIGINT);
    ::raise(SIGTERM);
  });
  CATCH_CHECK(child.status == 128 + SIGTERM);
}

CATCH_TEST_CASE("a closed pipe is an error of the write, not a signal") {
  const auto child = run_in_child([] {
    install_signal_handlers();
    int ends[2];
    if (::pipe(ends) != 0) ::_exit(1);
    ::close(ends[0]);
    const bool refused = ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
    ::_exit(refused ? 7 : 2);
  });
  CATCH_CHECK(child.status == 7);
}

}  // namespace
}  // namespace prune2to4
