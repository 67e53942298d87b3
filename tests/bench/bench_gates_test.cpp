// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "commands/gates.h"
#include "core/report/sample_bench.h"
#include "prune2to4/error.h"

namespace prune2to4 {

CATCH_TEST_CASE("gates of bench look at the point where the model is worst") {
  const BenchReport report = sample_bench_report();  // 1.25 times as fast at 0.8 ms, 1.5 times at 6.4 ms
  BenchOptions options;
  CATCH_CHECK(check_gates(options, report).empty());
  options.min_speedup = 1.2;
  options.max_latency_ms = 6;
  const auto gates = check_gates(options, report);
  CATCH_REQUIRE(gates.size() == 2);
  CATCH_CHECK(gates[0].name == "min-speedup");
  CATCH_CHECK(gates[0].passed);
  CATCH_CHECK(gates[0].value == Approx(1.25));
  CATCH_CHECK(gates[0].message == "speed-up at batch 4, length 384: 1.25 is 0.05 above --min-speedup 1.2");
  CATCH_CHECK_FALSE(gates[1].passed);
  CATCH_CHECK(gates[1].value == Approx(6.4));
  CATCH_CHECK(gates[1].message == "median at batch 64, length 384: 6.4 is 0.4 above --max-latency-ms 6");
  try {
    throw_missed(gates);
    CATCH_FAIL("no exception");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kGate);
    CATCH_CHECK(std::string(error.what()) == "[gate] " + gates[1].message);
  }
}

}  // namespace prune2to4
