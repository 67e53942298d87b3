// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/generated/variable_factories.h>
#include <torch/csrc/autograd/variable.h>

#include <catch2/catch.hpp>
#include <thread>

#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Packed = c10::intrusive_ptr<PackedWeight>;

at::Tensor linear(const at::Tensor& input, const Packed& weight, const std::optional<at::Tensor>& bias) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("prune2to4::linear", "")
          .typed<at::Tensor(const at::Tensor&, const Packed&, const std::optional<at::Tensor>&)>();
  return op.call(input, weight, bias);
}

// [rows, cols] whose odd columns are zero.
at::Tensor half_empty(int64_t rows, int64_t cols, at::ScalarType dtype) {
  at::Tensor weight = at::randn({rows, cols}).to(dtype);
  weight.slice(1, 1, cols, 2).zero_();
  return weight;
}

}  // namespace

CATCH_TEST_CASE("the sparse linear equals the dense kernel to the bit") {
  at::manual_seed(2);
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor weight = half_empty(24, 32, dtype);
    const at::Tensor bias = at::randn({24}).to(dtype);
    const auto packed = PackedWeight::pack(weight, "layer");
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{32}, {5, 32}, {2, 3, 32}, {0, 32}}) {
      const at::Tensor input = at::randn(shape).to(dtype);
      CATCH_CHECK(at::equal(linear(input, packed, bias), at::linear(input, weight, bias)));
      CATCH_CHECK(at::equal(linear(input, packed, std::nullopt), at::linear(input, weight)));
    }
  }
}

CATCH_TEST_CASE("an input that does not fit is refused by the layer's name") {
  const auto packed = PackedWeight::pack(half_empty(24, 32, at::kFloat), "encoder.0.query");
  CATCH_CHECK_THROWS_WITH(linear(at::randn({2, 31}), packed, std::nullopt),
                          Contains("'encoder.0.query'") && Contains("last dimension must be 32"));
  CATCH_CHECK_THROWS_WITH(linear(at::tensor(1.0F), packed, std::nullopt), Contains("does not fit"));
  CATCH_CHECK_THROWS_WITH(linear(at::ones({2, 32}, at::kLong), packed, std::nullopt), Contains("floating"));
  CATCH_CHECK_THROWS_WITH(linear(at::randn({2, 32}), packed, at::randn({23})), Contains("must be [24]"));
  CATCH_CHECK_THROWS_WITH(linear(at::randn({2, 32}), packed, at::randn({24}).to(at::kHalf)),
                          Contains("move the whole module"));
}

CATCH_TEST_CASE("the sparse linear follows the dtype of its input") {
  const at::Tensor weight = half_empty(24, 32, at::kFloat);
  const auto packed = PackedWeight::pack(weight, "layer");
  const at::Tensor input = at::randn({3, 32}).to(at::kBFloat16);
  CATCH_CHECK(at::equal(linear(input, packed, std::nullopt), at::linear(input, weight.to(at::kBFloat16))));
}

CATCH_TEST_CASE("on the meta device the sparse linear gives the shape") {
  const auto packed = PackedWeight::pack(half_empty(24, 32, at::kFloat), "layer");
  const at::Tensor output = linear(at::empty({2, 7, 32}, at::kMeta), packed, at::empty({24}, at::kMeta));
  CATCH_CHECK(output.is_meta());
  CATCH_CHECK(output.sizes() == at::IntArrayRef{2, 7, 24});
  CATCH_CHECK_THROWS_WITH(linear(at::empty({2, 31}, at::kMeta), packed, std::nullopt), Contains("'layer'"));
}

CATCH_TEST_CASE("gradients reach input and bias as through the dense weight") {
  const at::Tensor weight = half_empty(24, 32, at::kFloat);
  const auto packed = PackedWeight::pack(weight, "layer");
  const at::Tensor input = torch::randn({3, 32}).set_requires_grad(true);
  const at::Tensor bias = torch::randn({24}).set_requires_grad(true);
  const at::Tensor seed = at::randn({3, 24});
  linear(input, packed, bias).backward(seed);
  CATCH_CHECK(at::allclose(input.grad(), seed.matmul(weight)));
  CATCH_CHECK(at::allclose(bias.grad(), seed.sum(0)));
}

CATCH_TEST_CASE("under autocast the sparse linear runs in the autocast dtype") {
  const at::Tensor weight = half_empty(24, 32, at::kFloat);
  const auto packed = PackedWeight::pack(weight, "layer");
  const at::Tensor input = at::randn({3, 32});
  const at::Tensor bias = at::randn({24});
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor output = linear(input, packed, bias);
  const at::Tensor dense = at::linear(input, weight, bias);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  CATCH_CHECK(output.scalar_type() == at::kBFloat16);
  CATCH_CHECK(at::equal(output, dense));
}

CATCH_TEST_CASE("several threads may make the first call at once") {
  const at::Tensor weight = half_empty(24, 32, at::kFloat);
  const at::Tensor input = at::randn({3, 32});
  const at::Tensor expected = at::linear(input, weight);
  for (int round = 0; round < 20; ++round) {
    const auto packed = PackedWeight::pack(weight, "layer");
    std::array<at::Tensor, 4> outputs;
    std::vector<std::thread> threads;
    for (at::Tensor& output : outputs)
      threads.emplace_back([&] { output = linear(input, packed, std::nullopt); });
    for (std::thread& thread : threads) thread.join();
    for (const at::Tensor& output : outputs) CATCH_REQUIRE(at::equal(output, expected));
  }
}

}  // namespace prune2to4
