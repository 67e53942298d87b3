// SPDX-License-Identifier: Apache-2.0
#include "ops/kernel_choice.h"

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

ProductShape shape(int64_t out, Activation activation = Activation::kNone) {
  return {0, at::kHalf, out, 64, token_bucket(1000), activation};
}

// Of fixed times; counts how often it was measured.
Candidate candidate(std::optional<double> milliseconds, int& measured) {
  return [=, &measured] {
    ++measured;
    return milliseconds;
  };
}

}  // namespace

CATCH_TEST_CASE("token counts near each other share a measurement") {
  CATCH_CHECK(token_bucket(1) == 256);
  CATCH_CHECK(token_bucket(256) == 256);
  CATCH_CHECK(token_bucket(257) == 384);
  CATCH_CHECK(token_bucket(385) == 512);
  CATCH_CHECK(token_bucket(98304) == 98304);
  CATCH_CHECK(token_bucket(98305) == 131072);
  int64_t last = 0;
  for (int64_t tokens = 1; tokens < 5000; ++tokens) {
    const int64_t bucket = token_bucket(tokens);
    CATCH_CHECK(bucket >= tokens);
    CATCH_CHECK(bucket >= last);
    if (tokens > 256) CATCH_CHECK(2 * bucket <= 3 * tokens);
    last = bucket;
  }
}

CATCH_TEST_CASE("the fastest candidate that can run is chosen, and measured once for each shape") {
  int measured = 0;
  const std::vector<Candidate> candidates{candidate(3, measured), candidate(std::nullopt, measured),
                                          candidate(1, measured), candidate(2, measured)};
  CATCH_CHECK_FALSE(known_fastest(shape(8)));
  CATCH_CHECK(fastest(shape(8), candidates) == 2);
  CATCH_CHECK(fastest(shape(8), candidates) == 2);
  CATCH_CHECK(known_fastest(shape(8)) == 2);
  CATCH_CHECK(measured == 4);
  CATCH_CHECK(fastest(shape(8, Activation::kGelu), candidates) == 2);
  CATCH_CHECK(fastest(shape(16), {candidates[0], candidates[1]}) == 0);
  CATCH_CHECK(measured == 10);
}

}  // namespace prune2to4
