// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "core/squad_file.h"
#include "core/temporary_folder.h"
#include "model/small_models.h"
#include "model/traced_model.h"
#include "prune2to4/bench.h"

namespace prune2to4 {
namespace {

const MeasureOptions kQuick{3, 0, 0, 0};

}  // namespace

CATCH_TEST_CASE("two runners of the same logits are timed at one point, and differ by nothing") {
  Runner first("first", token_module(), at::kCPU);
  Runner second("second", token_module(), at::kCPU);
  const BenchPoint point =
      bench_models({&first, &second}, random_input(2, 16, 50, 0), std::nullopt, kQuick, false);
  CATCH_CHECK(point.batch == 2);
  CATCH_CHECK(point.length == 16);
  CATCH_CHECK(point.tokens == 32);
  CATCH_CHECK(point.calls == 1);
  CATCH_CHECK(point.flops == 0);
  CATCH_CHECK(point.largest_difference == 0);
  CATCH_CHECK(*point.largest_output >= 5);
  CATCH_CHECK_FALSE(point.peak_bytes);
  CATCH_REQUIRE(point.timings.size() == 2);
  for (const BenchTiming& timing : point.timings) {
    CATCH_CHECK(timing.seconds.count == 3);
    CATCH_CHECK(timing.seconds.median > 0);
  }
}

CATCH_TEST_CASE("a runner by itself has nothing to differ from") {
  Runner runner("only", token_module(), at::kCPU);
  const BenchPoint point = bench_models({&runner}, random_input(1, 8, 50, 0), std::nullopt, kQuick, false);
  CATCH_CHECK_FALSE(point.largest_difference);
  CATCH_CHECK(point.timings.size() == 1);
  CATCH_CHECK(std::isnan(speedup(point)));
}

CATCH_TEST_CASE("outputs are compared at real tokens only") {
  const TemporaryFolder folder;
  write_bytes(folder / "squad.safetensors", small_squad_file().bytes());
  const auto data = TokenizedSquad::read(folder / "squad.safetensors");
  Runner runner("tokens", token_module(), at::kCPU);
  const BenchPoint point = bench_models({&runner}, file_input(data, 2, 12, 4), std::nullopt, kQuick, false);
  CATCH_CHECK(point.batches == 2);
  CATCH_CHECK(point.tokens == 14);
  CATCH_CHECK(*point.largest_output < 100);  // padding's logits are -1000
}

CATCH_TEST_CASE("a BERT against itself in bf16 differs by little, and its arithmetic is counted") {
  Runner first("fp32", traced_model("tiny_bert"), at::kCPU);
  Runner second("bf16", traced_model("tiny_bert", at::kBFloat16), at::kCPU);
  const EncoderSize size{2, 64, 128};
  const BenchPoint point =
      bench_models({&first, &second}, random_input(2, 24, first.limits().vocabulary, 0), size, kQuick, false);
  CATCH_CHECK(*point.largest_difference > 0);
  CATCH_CHECK(*point.largest_difference < 0.1 * std::max(1.0, *point.largest_output));
  CATCH_CHECK(point.flops == encoder_flops(size, {24, 24}));
}

CATCH_TEST_CASE(
    "one layer: packed and dense give the same outputs, and each names its kernel, LibTorch's too") {
  const BenchLinear linear({32, 64}, at::kCPU, at::kFloat, 0);
  const auto models = linear.models();
  CATCH_REQUIRE(models.size() == 3);
  CATCH_CHECK(models[0].name == "2:4");
  CATCH_CHECK(models[2].name == "LibTorch");
  CATCH_CHECK(models[0].weight_bytes == 32 * 64 * 17 / 8 + 4 * 32);
  CATCH_CHECK(models[1].weight_bytes == 4 * (32 * 64 + 32));
  const BenchPoint point = linear.run(10, kQuick);
  CATCH_CHECK(point.tokens == 10);
  CATCH_CHECK(point.flops == 2 * 10 * 32 * 64);
  CATCH_CHECK(*point.largest_difference <= 1e-5);
  CATCH_CHECK(*point.largest_output > 0.5);
  CATCH_CHECK(*point.largest_output < 6);
  CATCH_REQUIRE(point.timings.size() == 3);
  for (const BenchTiming& timing : point.timings) {
    CATCH_CHECK(timing.seconds.count == 3);
    CATCH_REQUIRE(timing.kernels.size() == 1);
    CATCH_CHECK_FALSE(timing.kernels[0].kernel.empty());
  }
}

}  // namespace prune2to4
