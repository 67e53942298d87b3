// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/statistics.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace prune2to4 {
namespace {

CATCH_TEST_CASE("percentiles lie between samples as NumPy's do") {
  const Statistics found = statistics({4, 1, 3, 2});
  CATCH_CHECK(found.count == 4);
  CATCH_CHECK(found.median == 2.5);
  CATCH_CHECK(found.p90 == Approx(3.7));
  CATCH_CHECK(found.p99 == Approx(3.97));
  CATCH_CHECK(found.min == 1);
  CATCH_CHECK(found.max == 4);
  CATCH_CHECK(found.spread == Approx((3.25 - 1.75) / 2.5));
}

CATCH_TEST_CASE("one outlier moves neither median nor spread") {
  std::vector<double> samples(100, 2.0);
  samples[17] = 1000;
  const Statistics found = statistics(samples);
  CATCH_CHECK(found.median == 2);
  CATCH_CHECK(found.p90 == 2);
  CATCH_CHECK(found.max == 1000);
  CATCH_CHECK(found.spread == 0);
}

CATCH_TEST_CASE("one sample is every percentile, no sample is none") {
  const Statistics one = statistics({0.5});
  CATCH_CHECK(one.median == 0.5);
  CATCH_CHECK(one.p99 == 0.5);
  CATCH_CHECK(one.spread == 0);
  const Statistics none = statistics({});
  CATCH_CHECK(none.count == 0);
  CATCH_CHECK(std::isnan(none.median));
  CATCH_CHECK(std::isnan(none.spread));
}

CATCH_TEST_CASE("the worse of two differences is NaN when one of them is") {
  const double nan = std::nan("");
  CATCH_CHECK(worse(1, 2) == 2);
  CATCH_CHECK(worse(2, 1) == 2);
  CATCH_CHECK(std::isnan(worse(nan, 1)));
  CATCH_CHECK(std::isnan(worse(1, nan)));
}

}  // namespace
}  // namespace prune2to4
