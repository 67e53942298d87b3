// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/measure.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>

namespace prune2to4 {
namespace {

// A GPU with a clock of its own: calls queue their time, the wait lets it pass.
struct Machine {
  double now = 0;
  double queued = 0;
  std::string order;  // of the calls

  Contest contest(const std::map<char, double>& contestants) {
    Contest made{{}, [this] { now += std::exchange(queued, 0.0); }, [this] { return now; }};
    for (const auto& [name, seconds] : contestants) {
      made.calls.emplace_back([this, name = name, seconds = seconds] {
        order += name;
        queued += seconds;
      });
    }
    return made;
  }
};

const MeasureOptions kQuick{4, 0, 0, 0};

CATCH_TEST_CASE("each contestant is warmed up, then they take turns from both ends") {
  Machine machine;
  const Measurement found = measure(machine.contest({{'a', 1}, {'b', 2}}), kQuick);
  CATCH_CHECK(machine.order ==
              "aaabbb"
              "abbaabba");
  CATCH_CHECK(found.calls == 1);
  CATCH_CHECK(found.seconds == std::vector<std::vector<double>>{{1, 1, 1, 1}, {2, 2, 2, 2}});
}

CATCH_TEST_CASE("measuring goes on until the fastest contestant has had its seconds") {
  Machine machine;
  const Measurement found = measure(machine.contest({{'a', 0.5}, {'b', 4}}), {2, 3, 0, 0});
  CATCH_CHECK(found.seconds[0].size() == 6);
  CATCH_CHECK(found.seconds[1].size() == 6);
}

CATCH_TEST_CASE("warm-up goes on for its seconds") {
  Machine machine;
  measure(machine.contest({{'a', 0.5}}), {1, 0, 4, 0});
  CATCH_CHECK(machine.order.size() == 8 + 1);
}

CATCH_TEST_CASE(
    "a repeat is as many calls as its seconds take, of every contestant, and a sample is one call") {
  Machine machine;
  const Measurement found = measure(machine.contest({{'a', 0.25}, {'b', 0.5}}), {2, 0, 0, 1});
  CATCH_CHECK(found.calls == 4);
  CATCH_CHECK(machine.order ==
              "aaabbb"
              "aaaabbbb"
              "bbbbaaaa");
  CATCH_CHECK(found.seconds == std::vector<std::vector<double>>{{0.25, 0.25}, {0.5, 0.5}});
}

CATCH_TEST_CASE("calls that seem to take no time are queued a thousand times at most") {
  Machine machine;
  const Measurement found = measure(machine.contest({{'a', 0}}), {1, 0, 0, 1});
  CATCH_CHECK(found.calls == 1000);
}

}  // namespace
}  // namespace prune2to4
