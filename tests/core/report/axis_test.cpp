// SPDX-License-Identifier: Apache-2.0
#include "core/report/axis.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace prune2to4 {
namespace {

CATCH_TEST_CASE("ticks are round numbers around the range") {
  CATCH_CHECK(nice_axis(0, 2394, 8).ticks == std::vector<double>{0, 500, 1000, 1500, 2000, 2500});
  CATCH_CHECK(nice_axis(1.02, 4.9, 5).ticks == std::vector<double>{1, 2, 3, 4, 5});
  CATCH_CHECK(nice_axis(-3, 12, 3).ticks == std::vector<double>{-5, 0, 5, 10, 15});
  CATCH_CHECK(nice_axis(0, 10, 5).ticks == std::vector<double>{0, 2, 4, 6, 8, 10});
  const Axis rates = nice_axis(0, 3e-4, 2);
  CATCH_CHECK(rates.low == 0);
  CATCH_CHECK(rates.high == Approx(4e-4));
}

CATCH_TEST_CASE("an axis maps its ends to 0 and 1") {
  const Axis axis = nice_axis(60.25, 74.5, 3);
  CATCH_CHECK(axis.share(axis.low) == 0);
  CATCH_CHECK(axis.share(axis.high) == 1);
  CATCH_CHECK(axis.low <= 60.25);
  CATCH_CHECK(axis.high >= 74.5);
}

CATCH_TEST_CASE("a range of one value still has an axis") {
  for (const double value : {0.0, 1.0, -7.5, 1e30, -1e30, 1e-29, 5e-324}) {
    const Axis axis = nice_axis(value, value, 5);
    CATCH_INFO(value);
    CATCH_CHECK(axis.ticks.size() >= 2);
    CATCH_CHECK(axis.ticks.size() < 20);
    CATCH_CHECK(axis.low < axis.high);
    CATCH_CHECK(std::isfinite(axis.share(value)));
  }
  CATCH_CHECK(nice_axis(-1e30, 1e30, 5).ticks.size() < 20);
  CATCH_CHECK(nice_axis(1, 1 + 1e-15, 5).ticks.size() < 20);
}

CATCH_TEST_CASE("what is no number or beyond all measure is not drawable") {
  CATCH_CHECK(drawable(0));
  CATCH_CHECK(drawable(-1e30));
  for (const double value :
       {std::nan(""), double{INFINITY}, -double{INFINITY}, 1e31, std::numeric_limits<double>::max()}) {
    CATCH_CHECK_FALSE(drawable(value));
  }
}

}  // namespace
}  // namespace prune2to4
