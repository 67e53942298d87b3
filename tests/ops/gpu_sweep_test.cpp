// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "ops/gpu_gemm.h"
#include "ops/sweeper.h"

namespace prune2to4 {

CATCH_TEST_CASE("a GPU's kernels are timed in a process of their own, none of which ends it") {
  if (any_gpu_gemms() == nullptr) return;
  const auto tests = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  Sweeper sweeper(tests.parent_path() / "prune2to4_sweep");
  SweepRequest request;
  request.product = {0, at::kBFloat16, 768, 768, 1000, {}, true};
  const auto swept = sweeper.sweep(request);
  CATCH_REQUIRE(swept);
  CATCH_CHECK(swept->milliseconds.contains("dense"));
  CATCH_CHECK(swept->milliseconds.contains("2:4 cuSPARSELt, algorithm 0"));
  for (const auto& [kernel, milliseconds] : swept->milliseconds) {
    CATCH_INFO(kernel);
    CATCH_CHECK((milliseconds > 0 && milliseconds < 10));
  }
  if (gpu_gemms() != nullptr) CATCH_CHECK(swept->failed.empty());
  const int process = sweeper.process();
  request.product.sparse = false;
  request.product.epilogue.activation = Activation::kGelu;
  const auto dense = sweeper.sweep(request);
  CATCH_REQUIRE(dense);
  CATCH_CHECK(!dense->milliseconds.empty());
  for (const auto& [kernel, milliseconds] : dense->milliseconds) CATCH_CHECK(kernel.starts_with("dense"));
  CATCH_CHECK(sweeper.process() == process);
}

}  // namespace prune2to4
