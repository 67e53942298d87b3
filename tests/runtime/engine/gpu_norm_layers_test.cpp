// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include "ops/gpu_gemm.h"
#include "runtime/engine/norm_layers.h"

namespace prune2to4 {
namespace {

constexpr int64_t kWidth = 384;
constexpr int64_t kLayers = 3;
constexpr double kEpsilon = 1e-12;  // BERT's

LinearWeights random_linear(const std::string& name, int64_t out, int64_t in, at::ScalarType dtype) {
  return {name,
          {},
          PackedWeight::pack(random_2_4(out, in, dtype), name),
          at::randn({out}, at::TensorOptions(kGpu).dtype(dtype)) * 0.1};
}

NormWeights random_norm() {
  const auto options = at::TensorOptions(kGpu).dtype(at::kFloat);
  return {at::rand({kWidth}, options) + 0.5, at::randn({kWidth}, options) * 0.1};
}

std::vector<EncoderLayerWeights> random_layers(at::ScalarType dtype) {
  std::vector<EncoderLayerWeights> layers;
  for (int64_t i = 0; i < kLayers; ++i) {
    layers.push_back({random_linear("qkv", 3 * kWidth, kWidth, dtype),
                      random_linear("attention", kWidth, kWidth, dtype), random_norm(),
                      random_linear("intermediate", 4 * kWidth, kWidth, dtype),
                      random_linear("output", kWidth, 4 * kWidth, dtype), random_norm()});
  }
  return layers;
}

// In place of attention, which the layers are given.
at::Tensor attend(const at::Tensor& qkv) {
  return (qkv.narrow(1, 0, kWidth) * 0.5 + qkv.narrow(1, 2 * kWidth, kWidth)).contiguous();
}

at::Tensor norm(const at::Tensor& sum, const NormWeights& weights) {
  return at::layer_norm(sum, {kWidth}, weights.weight.to(at::kDouble), weights.bias.to(at::kDouble),
                        kEpsilon);
}

// Layer by layer in fp64.
at::Tensor expected(at::Tensor x, const std::vector<EncoderLayerWeights>& layers) {
  const auto linear = [](const LinearWeights& weights, const at::Tensor& input) {
    return at::linear(input, weights.packed->unpack().to(kGpu, at::kDouble), weights.bias.to(at::kDouble));
  };
  x = x.to(at::kDouble);
  for (const EncoderLayerWeights& layer : layers) {
    x = norm(linear(layer.attention_output, attend(linear(layer.qkv, x))) + x, layer.attention_norm);
    x = norm(linear(layer.output, at::gelu(linear(layer.intermediate, x))) + x, layer.output_norm);
  }
  return x;
}

}  // namespace

CATCH_TEST_CASE("on a GPU layers whose products take the norms give what layer after layer gives") {
  if (gpu_gemms() == nullptr) return;
  at::manual_seed(31);
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const std::vector<EncoderLayerWeights> layers = random_layers(dtype);
    CATCH_REQUIRE(NormLayers::can_run(layers));
    const NormLayers norms(layers, kEpsilon);
    for (const int64_t tokens : {1, 7, 96, 129, 1000}) {
      CATCH_INFO(dtype << " x " << tokens);
      const at::Tensor x = at::randn({tokens, kWidth}, at::TensorOptions(kGpu).dtype(dtype));
      const at::Tensor y = norm(norms.run(x, attend).to(at::kDouble), layers.back().output_norm);
      CATCH_CHECK(error_of(y, expected(x, layers), 20 * rounding_of(dtype)) < 1);
    }
    int64_t named = 0;
    norms.for_each_kernel(1000, [&](const std::string& name, const std::string& kernel) {
      CATCH_CHECK(kernel.starts_with("2:4 128x"));
      CATCH_CHECK(!name.empty());
      ++named;
    });
    CATCH_CHECK(named == 4 * kLayers);
  }
}

CATCH_TEST_CASE("on a GPU layers with one dense weight, or one of another shape, do not run so") {
  if (gpu_gemms() == nullptr) return;
  std::vector<EncoderLayerWeights> layers = random_layers(at::kHalf);
  layers[1].output.packed = {};
  CATCH_CHECK_FALSE(NormLayers::can_run(layers));
  layers[1].output = random_linear("output", kWidth - 64, 4 * kWidth, at::kHalf);
  CATCH_CHECK_FALSE(NormLayers::can_run(layers));
}

}  // namespace prune2to4
