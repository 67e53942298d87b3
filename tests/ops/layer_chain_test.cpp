// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/layer_chain.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "ops/threads.h"

namespace prune2to4 {
namespace {

constexpr int64_t kWidth = 384;
constexpr int64_t kInner = 768;
constexpr double kEpsilon = 1e-5;

PackedLinear random_linear(int64_t out, int64_t in, at::ScalarType dtype) {
  const at::Tensor groups = at::randn({out, in / 4, 4}) / std::sqrt(static_cast<double>(in) / 2);
  const at::Tensor dropped = std::get<1>(at::rand({out, in / 4, 4}).topk(2, -1));
  const at::Tensor weight = groups.scatter(-1, dropped, 0).reshape({out, in}).to(dtype);
  return {PackedWeight::pack(weight, "layer"), at::randn({out}).to(dtype)};
}

LayerNorm random_norm() { return {at::rand({kWidth}) + 0.5, at::randn({kWidth}), kEpsilon}; }

std::vector<ChainedLayer> random_layers(at::ScalarType dtype) {
  std::vector<ChainedLayer> layers;
  for (int i = 0; i < 2; ++i) {
    layers.push_back({random_linear(3 * kWidth, kWidth, dtype), random_linear(kWidth, kWidth, dtype),
                      random_norm(), random_linear(kInner, kWidth, dtype),
                      random_linear(kWidth, kInner, dtype), random_norm()});
  }
  return layers;
}

// Anything that takes query, key and value, token by token.
at::Tensor attend(const at::Tensor& qkv) {
  const auto parts = qkv.chunk(3, 1);
  return (parts[0] * parts[1].tanh() + parts[2]).contiguous();
}

at::Tensor linear(const at::Tensor& x, const PackedLinear& by) {
  return at::linear(x, by.weight->unpack().to(at::kDouble), by.bias.to(at::kDouble));
}

at::Tensor norm(const at::Tensor& x, const LayerNorm& by) {
  return at::layer_norm(x, {kWidth}, by.weight.to(at::kDouble), by.bias.to(at::kDouble), by.epsilon);
}

at::Tensor expected(const std::vector<ChainedLayer>& layers, const at::Tensor& x) {
  at::Tensor h = x.to(at::kDouble);
  for (const ChainedLayer& layer : layers) {
    h = norm(h + linear(attend(linear(h, layer.qkv)), layer.attention_output), layer.attention_norm);
    h = norm(h + linear(at::gelu(linear(h, layer.intermediate)), layer.output), layer.output_norm);
  }
  return h;
}

double largest_error(const at::Tensor& found, const at::Tensor& wanted) {
  const at::Tensor error = (found.to(at::kDouble) - wanted).abs() / wanted.abs().clamp_min(1);
  return error.isnan().any().item<bool>() ? INFINITY : error.max().item<double>();
}

// So that no choice is known of before, and none that is made here is kept.
void without_cache() { CATCH_REQUIRE(setenv("PRUNE2TO4_CACHE", "", 1) == 0); }

}  // namespace

CATCH_TEST_CASE("a chain of 2:4 layers equals an fp64 reference, by any number of threads to the bit",
                "[layer_chain]") {
  at::manual_seed(6);
  const auto layers = random_layers(at::kFloat);
  const auto chain = LayerChain::make(layers);
  CATCH_REQUIRE(chain);
  for (const int64_t tokens : {1, 3, 16, 61, 200, 517}) {
    const at::Tensor x = at::randn({tokens, kWidth});
    const at::Tensor wanted = expected(layers, x);
    at::Tensor first;
    for (const int threads : {1, 2, 3, 7}) {
      const Threads some(threads);
      const at::Tensor found = chain->run(x, attend);
      CATCH_INFO(tokens << " tokens, " << threads << " threads");
      CATCH_REQUIRE(largest_error(found, wanted) < 1e-5);
      if (!first.defined()) first = found;
      CATCH_REQUIRE(at::equal(found, first));
    }
    const at::Tensor alone = chain->run(x.narrow(0, tokens - 1, 1), attend);
    CATCH_REQUIRE(at::equal(alone, first.narrow(0, tokens - 1, 1)));
  }
}

CATCH_TEST_CASE("threads run a chain at once", "[layer_chain]") {
  at::manual_seed(7);
  const auto chain = LayerChain::make(random_layers(at::kFloat));
  CATCH_REQUIRE(chain);
  const at::Tensor one = at::randn({70, kWidth});
  const at::Tensor two = at::randn({150, kWidth});
  const at::Tensor wanted_one = chain->run(one, attend);
  const at::Tensor wanted_two = chain->run(two, attend);
  bool right[2] = {true, true};
  {
    const auto work = [&](bool& all, const at::Tensor& x, const at::Tensor& wanted) {
      at::set_num_threads(1);
      for (int i = 0; i < 20; ++i) all = all && at::equal(chain->run(x, attend), wanted);
    };
    const Threads restored(at::get_num_threads());
    const std::jthread first(work, std::ref(right[0]), one, wanted_one);
    const std::jthread second(work, std::ref(right[1]), two, wanted_two);
  }
  CATCH_CHECK(right[0]);
  CATCH_CHECK(right[1]);
}

CATCH_TEST_CASE("bf16 layers are chained where bf16 is computed in fp32", "[layer_chain]") {
  at::manual_seed(8);
  const auto layers = random_layers(at::kBFloat16);
  const auto chain = LayerChain::make(layers);
  if (!chain) return;  // AVX-512 BF16: its tiles hold pairs
  const at::Tensor x = at::randn({77, kWidth}).to(at::kBFloat16);
  CATCH_CHECK(largest_error(chain->run(x, attend), expected(layers, x)) < 5e-2);
}

CATCH_TEST_CASE("a chain is made of 2:4 layers only, taken for many tokens where it is faster, and named",
                "[layer_chain]") {
  without_cache();
  at::manual_seed(9);
  const auto layers = random_layers(at::kFloat);
  auto small = layers;
  small[1].output = random_linear(kWidth, 4, at::kFloat);  // is computed dense
  CATCH_CHECK_FALSE(LayerChain::make(small));
  auto dense = layers;
  dense[0].intermediate.weight = {};
  CATCH_CHECK_FALSE(LayerChain::make(dense));
  CATCH_CHECK_FALSE(LayerChain::make({}));

  const auto chain = LayerChain::make(layers);
  CATCH_REQUIRE(chain);
  const Threads one(1);
  int calls = 0;
  const auto slow = [&](const at::Tensor& x) {
    ++calls;
    CATCH_CHECK(x.size(1) == kWidth);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  };
  CATCH_CHECK_FALSE(chain->takes(at::randn({1, kWidth}), slow));
  CATCH_CHECK_FALSE(chain->kernel(250).has_value());
  CATCH_CHECK(calls == 0);
  CATCH_CHECK(chain->takes(at::randn({250, kWidth}), slow));
  CATCH_CHECK(chain->kernel(250).value().starts_with("2:4 "));
  CATCH_CHECK(chain->kernel(250).value().ends_with(", by tokens, chained"));
  const int measured = calls;
  {
    const Threads two(2);
    CATCH_CHECK_FALSE(chain->takes(at::randn({250, kWidth}), slow));
  }
  CATCH_CHECK(chain->takes(at::randn({255, kWidth}), slow));  // shares the measurement
  CATCH_CHECK(calls == measured);
}

CATCH_TEST_CASE("a chain is not taken where layer by layer is faster", "[layer_chain]") {
  without_cache();
  const auto chain = LayerChain::make(random_layers(at::kFloat));
  CATCH_REQUIRE(chain);
  const Threads one(1);
  const at::Tensor x = at::randn({500, kWidth});
  CATCH_CHECK_FALSE(chain->takes(x, [](const at::Tensor&) {}));
  CATCH_CHECK_FALSE(chain->kernel(500).has_value());
}

}  // namespace prune2to4
