// SPDX-License-Identifier: Apache-2.0
#include "ops/sweeper.h"
#include "ops/child_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ops/warnings.h"

namespace prune2to4 {
namespace {

using std::chrono::milliseconds;

const std::filesystem::path kDriver =
    std::filesystem::read_symlink("/proc/self/exe").parent_path() / "sweep_driver";

enum How : int64_t { kWorks, kSegfault, kAbort, kThrow, kHang, kTerminated, kNoMemory, kError, kExit };

SweepRequest request(How how) {
  SweepRequest made;
  made.product.tokens = how;
  return made;
}

// Of this process, that have ended and were not waited for, or run.
bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0; }

size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

bool is_alive(int process) { return ::kill(process, 0) == 0; }

}  // namespace

CATCH_TEST_CASE("a request reads as it was written") {
  SweepRequest wanted;
  wanted.product = {3, at::kBFloat16, 768, 3072, 1001, {Activation::kGelu, false}, false};
  wanted.biased = false;
  wanted.skipped = {"2:4 cuSPARSELt, algorithm 36", "another"};
  for (int i = 0; i < 2; ++i) {
    const auto read = sweep_request(to_line(wanted));
    CATCH_REQUIRE(read);
    CATCH_CHECK(read->product == wanted.product);
    CATCH_CHECK(read->biased == wanted.biased);
    CATCH_CHECK(read->skipped == wanted.skipped);
    wanted = {};
    wanted.product.epilogue.residual = true;
  }
  CATCH_CHECK_FALSE(sweep_request("1\t2\tthree"));
  CATCH_CHECK_FALSE(sweep_request(""));
}

CATCH_TEST_CASE("a candidate that ends the process which times it costs that candidate only") {
  Warnings warnings;
  // The limit holds for the start, too, which takes long where much else runs.
  Sweeper sweeper(kDriver, {milliseconds(15'000), milliseconds(60'000)});
  for (const How how : {kSegfault, kAbort, kThrow, kHang, kSegfault}) {
    CATCH_INFO(how);
    const auto swept = sweeper.sweep(request(how));
    CATCH_REQUIRE(swept);
    CATCH_CHECK(swept->failed == std::set<std::string>{"bad, very"});
    CATCH_CHECK(swept->milliseconds == std::map<std::string, double>{{"dense", 3}, {"good", 2}});
  }
  SweepRequest without = request(kSegfault);
  without.skipped.insert("bad, very");
  const int process = sweeper.process();
  const auto swept = sweeper.sweep(without);
  CATCH_REQUIRE(swept);
  CATCH_CHECK(swept->failed.empty());
  CATCH_CHECK(sweeper.process() == process);
  CATCH_CHECK(warnings.texts().empty());
}

CATCH_TEST_CASE("a line that does not come is waited for until the time is over") {
  std::string reason;
  const auto silent = ChildProcess::start(kDriver, reason);
  CATCH_REQUIRE(silent);
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    CATCH_REQUIRE_FALSE(silent->read_line(milliseconds(5)));
    CATCH_CHECK(std::chrono::steady_clock::now() - start >= milliseconds(5));
  }
}

CATCH_TEST_CASE("one process does several sweeps, and leaves nothing behind") {
  const size_t files = open_files();
  int process = 0;
  {
    Sweeper sweeper(kDriver);
    for (int i = 0; i < 3; ++i) {
      const auto swept = sweeper.sweep(request(kWorks));
      CATCH_REQUIRE(swept);
      CATCH_CHECK(swept->milliseconds.size() == 3);
      CATCH_CHECK(swept->milliseconds.at("bad, very") == 1);
      CATCH_CHECK((process == 0 || process == sweeper.process()));
      process = sweeper.process();
    }
    CATCH_CHECK(is_alive(process));
    ::kill(process, SIGINT);  // as the terminal does: the process that waits for it decides
    CATCH_CHECK(sweeper.sweep(request(kWorks)));
    CATCH_CHECK(sweeper.process() == process);
    CATCH_CHECK(open_files() == files + 1);
  }
  CATCH_CHECK_FALSE(is_alive(process));
  CATCH_CHECK_FALSE(has_children());
  CATCH_CHECK(open_files() == files);
}

CATCH_TEST_CASE("the process ends when it is idle, and another takes its place") {
  Sweeper sweeper(kDriver, {milliseconds(20'000), milliseconds(100)});
  for (int i = 0; i < 2; ++i) {
    CATCH_CHECK(sweeper.sweep(request(kWorks)));
    for (int tries = 0; tries < 300 && sweeper.process() != 0; ++tries) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    CATCH_CHECK(sweeper.process() == 0);
    CATCH_CHECK_FALSE(has_children());
  }
}

CATCH_TEST_CASE("a process that was killed while it waited is started anew") {
  Warnings warnings;
  Sweeper sweeper(kDriver);
  CATCH_CHECK(sweeper.sweep(request(kWorks)));
  const int first = sweeper.process();
  ::kill(first, SIGKILL);
  CATCH_CHECK(sweeper.sweep(request(kWorks)));
  CATCH_CHECK(sweeper.process() != first);
  CATCH_CHECK(warnings.texts().empty());
}

CATCH_TEST_CASE("no candidate is blamed for what it did not do") {
  Warnings warnings;
  Sweeper sweeper(kDriver);
  CATCH_CHECK_FALSE(sweeper.sweep(request(kTerminated)));
  CATCH_CHECK(warnings.texts().empty());
  const auto swept = sweeper.sweep(request(kNoMemory));
  CATCH_REQUIRE(swept);
  CATCH_CHECK(swept->failed.empty());
  CATCH_CHECK(swept->milliseconds == std::map<std::string, double>{{"dense", 3}, {"good", 2}});
}

CATCH_TEST_CASE("where nothing can be timed elsewhere, one warning names the reason") {
  const std::pair<std::filesystem::path, std::string> cases[] = {{kDriver, "it: nothing can be timed"},
                                                                 {kDriver, "it ends at once"},
                                                                 {"/nowhere/sweep", "No such file"},
                                                                 {"/dev/null", "Permission denied"}};
  How how = kError;
  for (const auto& [program, reason] : cases) {
    Warnings warnings;
    Sweeper sweeper(program);
    for (int i = 0; i < 2; ++i) CATCH_CHECK_FALSE(sweeper.sweep(request(how)));
    CATCH_REQUIRE(warnings.texts().size() == 1);
    CATCH_CHECK(warnings.texts().front().find(reason) != std::string::npos);
    CATCH_CHECK(sweeper.process() == 0);
    how = kExit;
  }
  CATCH_CHECK_FALSE(has_children());
}

CATCH_TEST_CASE("the process ends with the one that started it, however that ends") {
  int pipe[2];
  CATCH_REQUIRE(::pipe(pipe) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Sweeper sweeper(kDriver);
    sweeper.sweep(request(kWorks));
    const int process = sweeper.process();
    if (::write(pipe[1], &process, sizeof(process)) < 0) ::_exit(1);
    ::raise(SIGKILL);
  }
  int process = 0;
  CATCH_REQUIRE(::read(pipe[0], &process, sizeof(process)) == sizeof(process));
  ::waitpid(parent, nullptr, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  CATCH_REQUIRE(process > 0);
  // It is no child of ours, and whoever inherits it may be slow to wait for it.
  const auto state = [process] {
    std::ifstream in("/proc/" + std::to_string(process) + "/stat");
    std::string id, name, letter;
    return in >> id >> name >> letter ? letter : "gone";
  };
  for (int tries = 0; tries < 300 && state() != "gone" && state() != "Z"; ++tries) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  CATCH_CHECK((state() == "gone" || state() == "Z"));
}

}  // namespace prune2to4
