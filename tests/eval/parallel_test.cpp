// SPDX-License-Identifier: Apache-2.0
#include "eval/parallel.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

namespace prune2to4 {

CATCH_TEST_CASE("every index is handed out once, to threads on which LibTorch does not share its work") {
  const int before = at::get_num_threads();
  std::vector<std::atomic<int>> seen(1000);
  std::atomic<int> most_threads = 0;
  for_each_index(seen.size(), 4, [&](size_t index) {
    ++seen[index];
    if (at::get_num_threads() > most_threads) most_threads = at::get_num_threads();
  });
  for (const auto& count : seen) CATCH_REQUIRE(count == 1);
  CATCH_CHECK(most_threads == 1);
  CATCH_CHECK(at::get_num_threads() == before);
}

CATCH_TEST_CASE("the first failure stops what is not begun, and comes out") {
  std::atomic<int> begun = 0;
  CATCH_CHECK_THROWS_WITH(for_each_index(100000, 3,
                                         [&](size_t index) {
                                           ++begun;
                                           if (index >= 5) throw std::runtime_error("index failed");
                                         }),
                          "index failed");
  CATCH_CHECK(begun < 100000);
  for_each_index(0, 3, [](size_t) { throw std::runtime_error("never"); });
}

}  // namespace prune2to4
