// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/lru_map.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

namespace prune2to4 {

CATCH_TEST_CASE("an LRU map keeps what was used last, and lets go before it makes more") {
  size_t alive = 0;
  size_t most = 0;
  struct Counted {
    explicit Counted(size_t& counter) : count(counter) { ++count; }
    ~Counted() { --count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    size_t& count;
  };
  std::vector<int> made;
  LruMap<int, std::unique_ptr<Counted>> map(2);
  const auto use = [&](int key) {
    Counted* value = map.get(key,
                             [&] {
                               made.push_back(key);
                               return std::make_unique<Counted>(alive);
                             })
                         .get();
    most = std::max(most, alive);
    return value;
  };
  Counted* one = use(1);
  use(2);
  CATCH_CHECK(use(1) == one);
  use(3);  // 2 goes
  CATCH_CHECK(use(1) == one);
  use(2);  // 3 goes
  CATCH_CHECK(use(1) == one);
  CATCH_CHECK(made == std::vector{1, 2, 3, 2});
  CATCH_CHECK(map.size() == 2);
  CATCH_CHECK(most == 2);
}

CATCH_TEST_CASE("a value that cannot be made leaves an LRU map as it was, but for the oldest") {
  LruMap<int, int> map(2);
  map.get(1, [] { return 10; });
  map.get(2, [] { return 20; });
  CATCH_CHECK_THROWS_AS(map.get(3, []() -> int { throw std::runtime_error("no memory"); }),
                        std::runtime_error);
  CATCH_CHECK(map.size() == 1);
  CATCH_CHECK(map.get(2, [] { return 0; }) == 20);
  CATCH_CHECK(map.get(3, [] { return 30; }) == 30);
}

}  // namespace prune2to4
