// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/encoder_pass.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "runtime/engine/recorded_pass.h"

namespace prune2to4 {
namespace {

constexpr int64_t kWidth = 384;
constexpr int64_t kInner = 768;
constexpr int64_t kLayers = 2;
constexpr int64_t kVocabulary = 50;
constexpr int64_t kPositions = 256;

LinearWeights packed_linear(const std::string& name, int64_t out, int64_t in) {
  at::Tensor weight = at::randn({out, in}) / std::sqrt(static_cast<double>(in) / 2);
  weight.slice(1, 0, in, 4).zero_();
  weight.slice(1, 2, in, 4).zero_();
  return {name, {}, PackedWeight::pack(weight, name), at::randn({out})};
}

NormWeights norm() { return {at::rand({kWidth}) + 0.5, at::randn({kWidth})}; }

EncoderWeights random_weights() {
  EncoderWeights weights{
      at::randn({kVocabulary, kWidth}), at::randn({kPositions, kWidth}), {}, norm(), {}, {}};
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string name = "layer." + std::to_string(i);
    weights.layers.push_back({packed_linear(name + ".qkv", 3 * kWidth, kWidth),
                              packed_linear(name + ".attention", kWidth, kWidth), norm(),
                              packed_linear(name + ".intermediate", kInner, kWidth),
                              packed_linear(name + ".output", kWidth, kInner), norm()});
  }
  weights.head = {
      "head", at::randn({2, kWidth}) / std::sqrt(static_cast<double>(kWidth)), {}, at::randn({2})};
  return weights;
}

EncoderWeights dense_twin(EncoderWeights weights) {
  const auto unpack = [](LinearWeights& linear) {
    linear.dense = linear.packed->unpack();
    linear.packed.reset();
  };
  for (EncoderLayerWeights& layer : weights.layers) {
    for (LinearWeights* each : {&layer.qkv, &layer.attention_output, &layer.intermediate, &layer.output}) {
      unpack(*each);
    }
  }
  return weights;
}

std::shared_ptr<const EncoderPass> pass_of(EncoderWeights weights) {
  EncoderSpec spec;
  spec.width = kWidth;
  spec.inner = kInner;
  spec.heads = 6;
  return std::make_shared<const EncoderPass>(spec, std::move(weights));
}

at::Tensor logits(const std::shared_ptr<const EncoderPass>& pass, const TextBatch& batch) {
  const auto text = pack_text(batch, pass->rules());
  CATCH_REQUIRE(text);
  RecordedPass recorded(pass, *text, 1);
  recorded.run();
  return recorded.logits();
}

TextBatch random_batch(int64_t rows, int64_t length) {
  return {at::randint(0, kVocabulary, {rows, length}, at::kLong), at::ones({rows, length}, at::kLong),
          at::zeros({rows, length}, at::kLong)};
}

}  // namespace

CATCH_TEST_CASE(
    "on the CPU an encoder of 2:4 layers has its dense twin's logits, chained or not, and says which") {
  at::manual_seed(4);
  const c10::InferenceMode inference;
  const EncoderWeights weights = random_weights();
  const auto pass = pass_of(weights);
  const auto twin = pass_of(dense_twin(weights));
  for (const int64_t rows : {1, 2, 5, 13}) {
    for (const int64_t length : {7, 200}) {
      CATCH_INFO(rows << " rows of " << length);
      const TextBatch batch = random_batch(rows, length);
      const at::Tensor found = logits(pass, batch);
      CATCH_CHECK(at::allclose(found, logits(twin, batch), 1e-4, 1e-4));
      CATCH_CHECK(at::equal(found, logits(pass, batch)));
      const auto kernels = pass->kernels(rows * length);
      CATCH_REQUIRE(kernels.size() == 4 * kLayers);
      CATCH_CHECK(kernels[2].layer == "layer.0.intermediate");
      const auto chained = std::count_if(kernels.begin(), kernels.end(), [](const LayerKernel& each) {
        CATCH_CHECK(each.kernel != "not yet measured");
        return each.kernel.ends_with(", by tokens, chained");
      });
      CATCH_CHECK((chained == 0 || chained == 4 * kLayers));
      if (rows == 1 && length == 7) CATCH_CHECK(chained == 0);
    }
  }
}

}  // namespace prune2to4
