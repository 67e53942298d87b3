// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/encoder_weights.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "model/traced_model.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

// Every linear layer 2:4, and those whose name has one of `parts` packed. `dense` receives the weights.
torch::jit::Module packed_where(const std::vector<std::string>& parts,
                                std::map<std::string, at::Tensor>& dense) {
  InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  std::map<std::string, c10::IValue> packed;
  for (size_t i = 0; i < model.linears().size(); ++i) {
    const std::string name = model.linears()[i].name;
    at::Tensor weight = model.linears()[i].weight.detach().clone();
    weight.slice(1, 1, weight.size(1), 4).zero_();
    weight.slice(1, 2, weight.size(1), 4).zero_();
    dense.emplace(name, weight);
    model.set_weight(i, weight);
    for (const std::string& part : parts) {
      if (name.find(part) != std::string::npos) packed.emplace(name, PackedWeight::pack(weight, name));
    }
  }
  return model.rewrite(packed);
}

EncoderWeights lifted(const torch::jit::Module& module) {
  std::string reason;
  const auto spec = find_encoder(module, reason, /*packed=*/true);
  CATCH_INFO(reason);
  CATCH_REQUIRE(spec);
  return lift_weights(module, *spec);
}

}  // namespace

CATCH_TEST_CASE("packed weights are found where the dense ones were, and asked for") {
  std::map<std::string, at::Tensor> dense;
  const torch::jit::Module module = packed_where({"layer"}, dense);
  std::string reason;
  CATCH_CHECK_FALSE(find_encoder(module, reason));
  CATCH_CHECK(find_encoder(module, reason, /*packed=*/true));
}

CATCH_TEST_CASE("query, key and value become one, row by row; packed when all three are") {
  for (const std::vector<std::string>& parts :
       {std::vector<std::string>{}, {"query"}, {"query", "key", "value"}, {"layer"}}) {
    std::map<std::string, at::Tensor> dense;
    const torch::jit::Module module = packed_where(parts, dense);
    const EncoderWeights weights = lifted(module);
    CATCH_REQUIRE(weights.layers.size() == 2);
    const std::string self = "bert.encoder.layer.1.attention.self.";
    const LinearWeights& qkv = weights.layers[1].qkv;
    const at::Tensor wanted = at::cat(
        {dense.at(self + "query.weight"), dense.at(self + "key.weight"), dense.at(self + "value.weight")});
    CATCH_CHECK(qkv.name == self + "query+key+value");
    CATCH_CHECK(static_cast<bool>(qkv.packed) ==
                (parts.size() == 3 || parts == std::vector<std::string>{"layer"}));
    CATCH_CHECK(qkv.dense.defined() != static_cast<bool>(qkv.packed));
    CATCH_CHECK(at::equal(qkv.packed ? qkv.packed->unpack() : qkv.dense, wanted));
    CATCH_CHECK(qkv.bias.numel() == 48);
  }
}

CATCH_TEST_CASE("other weights are the module's own, the head is dense, and norms are in fp32") {
  std::map<std::string, at::Tensor> dense;
  const torch::jit::Module module = packed_where({"output.dense", "qa_outputs"}, dense);
  const EncoderWeights weights = lifted(module);
  const std::string layer = "bert.encoder.layer.0.";
  CATCH_CHECK(weights.layers[0].intermediate.dense.data_ptr() ==
              dense.at(layer + "intermediate.dense.weight").data_ptr());
  CATCH_REQUIRE(weights.layers[0].output.packed);
  CATCH_CHECK(weights.layers[0].output.packed->name() == layer + "output.dense.weight");
  CATCH_CHECK(at::equal(weights.head.dense, dense.at("qa_outputs.weight")));
  CATCH_CHECK_FALSE(weights.head.packed);

  const EncoderWeights half = lifted(traced_model("bert_sdpa_tf4", at::kHalf));
  CATCH_CHECK(half.words.scalar_type() == at::kHalf);
  CATCH_CHECK(half.layers[0].qkv.dense.scalar_type() == at::kHalf);
  CATCH_CHECK(half.layers[0].output_norm.weight.scalar_type() == at::kFloat);
}

}  // namespace prune2to4
