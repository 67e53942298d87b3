// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/parallel.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

#include "ops/threads.h"

namespace prune2to4::cpu {

CATCH_TEST_CASE("shared runs bring each part once, whatever the parts and threads") {
  for (const int threads : {1, 2, 3, 7}) {
    const Threads use(threads);
    for (const int64_t parts : {0, 1, 5, 7, 56, 1000}) {
      CATCH_INFO(parts << " parts by " << threads << " threads");
      std::vector<std::atomic<int>> times(static_cast<size_t>(parts));
      in_shared_runs(parts, threads, [&](auto&& next) {
        for (int64_t i = next(); i >= 0; i = next()) ++times[static_cast<size_t>(i)];
      });
      CATCH_CHECK(std::all_of(times.begin(), times.end(), [](const auto& count) { return count == 1; }));
    }
  }
}

CATCH_TEST_CASE("a thread that is done takes parts of a slow thread's run, but for the last") {
  const Threads use(2);
  constexpr int64_t kParts = 16;
  std::atomic<int64_t> done = 0;
  bool waited_in_vain = false;
  const auto wait = [&] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (done < kParts - 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    waited_in_vain = done < kParts - 2;
  };
  in_shared_runs(kParts, 2, [&](auto&& next) {
    for (int64_t i = next(); i >= 0; i = next()) {
      if (i == 0) wait();
      ++done;
    }
  });
  CATCH_CHECK(done == kParts);
  CATCH_CHECK_FALSE(waited_in_vain);
}

}  // namespace prune2to4::cpu
