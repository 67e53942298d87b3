// SPDX-License-Identifier: Apache-2.0
#include "ops/kernel_choice.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "core/temporary_folder.h"
#include "ops/kernel_cache.h"

namespace prune2to4 {
namespace {

ProductShape shape(int64_t out, Activation activation = Activation::kNone) {
  return {0, at::kHalf, out, 64, token_bucket(1000), {activation, false}, true};
}

// Of a fixed time; counts how often it was measured.
Candidate candidate(const std::string& kernel, std::optional<double> milliseconds, int& measured) {
  return {kernel, [=, &measured] {
            ++measured;
            return milliseconds;
          }};
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
  const std::vector<Candidate> candidates{candidate("a", 3, measured), candidate("b", std::nullopt, measured),
                                          candidate("c", 1, measured), candidate("d", 2, measured)};
  CATCH_CHECK_FALSE(known_fastest(shape(8)));
  CATCH_CHECK(fastest(shape(8), candidates, nullptr) == 2);
  const int once = measured;
  CATCH_CHECK(fastest(shape(8), candidates, nullptr) == 2);
  CATCH_CHECK(known_fastest(shape(8)) == 2);
  CATCH_CHECK(measured == once);
  CATCH_CHECK(fastest(shape(8, Activation::kGelu), candidates, nullptr) == 2);
  CATCH_CHECK(measured > once);
  CATCH_CHECK(fastest(shape(16), {candidates[0], candidates[1]}, nullptr) == 0);
}

CATCH_TEST_CASE("a candidate may be made of products whose kernels are known") {
  int measured = 0;
  const size_t known =
      fastest(shape(104), {candidate("a", 2, measured), candidate("b", 1, measured)}, nullptr);
  const Candidate product{"product",
                          [] { return known_fastest(shape(104)) ? std::optional(1.0) : std::nullopt; }};
  CATCH_CHECK(known == 1);
  CATCH_CHECK(fastest(shape(112), {candidate("a", 2, measured), product}, nullptr) == 1);
}

CATCH_TEST_CASE("what candidates take on a device that they have loaded decides") {
  std::string order;
  // As kernels on a GPU whose clocks fall under load, which costs those less that wait for memory.
  const auto slowing = [&](const std::string& kernel, double cool, double loaded) {
    return Candidate{kernel, [=, &order] {
                       const bool is_cool = order.size() < 20;
                       order += kernel;
                       return std::optional(is_cool ? cool : loaded);
                     }};
  };
  const std::vector<Candidate> candidates{slowing("a", 1, 3), slowing("b", 2, 2)};
  CATCH_CHECK(fastest(shape(48), candidates, nullptr) == 1);
  CATCH_CHECK(order.starts_with("ababab"));
  order.clear();
  const std::vector<std::optional<double>> loaded{3, 2};
  CATCH_CHECK((times_under_load(candidates) == loaded));
}

CATCH_TEST_CASE("a measurement that something disturbed does not decide") {
  int measured = 0;
  const Candidate disturbed{"a", [&] { return std::optional(++measured % 10 == 0 ? 9.0 : 1.0); }};
  const Candidate lucky{"b", [&] { return std::optional(measured % 10 == 0 ? 0.5 : 2.0); }};
  CATCH_CHECK(fastest(shape(56), {disturbed, lucky}, nullptr) == 0);
}

CATCH_TEST_CASE("slow candidates are measured twice each, and the second time counts") {
  int measured = 0;
  const Candidate slow{"a", [&] {
                         std::this_thread::sleep_for(std::chrono::milliseconds(100));
                         return std::optional<double>(++measured);
                       }};
  const std::vector<std::optional<double>> second{3, 4};
  CATCH_CHECK((times_under_load({slow, slow}) == second));
}

CATCH_TEST_CASE("what a cache names is not measured, unless that kernel is gone") {
  const TemporaryFolder folder;
  KernelCache cache(folder / "kernels.txt", "a GPU");
  int measured = 0;
  const std::vector<Candidate> candidates{candidate("a", 3, measured), candidate("b", 1, measured)};
  CATCH_CHECK(fastest(shape(24), candidates, &cache) == 1);
  const int once = measured;
  CATCH_CHECK(cache.find(shape(24)) == "b");
  cache.add(shape(32), "a");
  CATCH_CHECK(fastest(shape(32), candidates, &cache) == 0);
  CATCH_CHECK(measured == once);
  cache.add(shape(40), "of an earlier version");
  CATCH_CHECK(fastest(shape(40), candidates, &cache) == 1);
  CATCH_CHECK(measured > once);
  CATCH_CHECK(cache.find(shape(40)) == "b");
}

}  // namespace prune2to4
