// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/import.h>

#include <catch2/catch.hpp>
#include <sstream>

#include "model/small_models.h"
#include "model/traced_model.h"
#include "prune2to4/mask.h"
#include "prune2to4/model.h"
#include "prune2to4/probe.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

// As `prune` makes it: every weight of a linear layer masked, and packed.
torch::jit::Module pruned(const torch::jit::Module& module) {
  InlinedModel model(module, false);
  for (const LinearLayer& linear : model.linears()) {
    at::Tensor weight = linear.weight.detach();
    apply_mask(weight.mutable_data_ptr(), weight.element_size(), weight_norm_mask(weight, {}));
  }
  return model.rewrite(pack_all(model));
}

bool same_outputs(const torch::jit::Module& first, const torch::jit::Module& second) {
  const Probe probe = make_probe(first, at::kCPU, 0);
  CATCH_REQUIRE(probe.failure.empty());
  const auto outputs = run_probe(second, probe, at::kCPU, 0);
  CATCH_REQUIRE(outputs.size() == probe.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!at::equal(outputs[i], probe.outputs[i])) return false;
  }
  return true;
}

bool calls(const torch::jit::Module& module, const std::string& operation) {
  return module.get_method("forward").graph()->toString().find(operation + "(") != std::string::npos;
}

}  // namespace

CATCH_TEST_CASE("the dense twin gives a sparse model's outputs to the bit, and has no packed layer") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const torch::jit::Module sparse = pruned(traced_model("tiny_bert", dtype));
    const torch::jit::Module twin = InlinedModel(sparse, false).dense_twin();
    CATCH_CHECK(same_outputs(sparse, twin));
    CATCH_CHECK(calls(twin, "aten::linear"));
    CATCH_CHECK_FALSE(calls(twin, "prune2to4::linear"));
    CATCH_CHECK(InlinedModel(twin, false).packed_calls() == 0);
  }
}

CATCH_TEST_CASE("the twin of a sparse model from a file has the dense model's parameters under their names") {
  const torch::jit::Module dense = encoder_module();
  const InlinedModel model(dense, false);
  std::stringstream archive;
  model.rewrite(pack_all(model)).save(archive);
  const torch::jit::Module twin = InlinedModel(torch::jit::load(archive), false).dense_twin();
  std::map<std::string, at::Tensor> parameters;
  for (const auto& each : twin.named_parameters()) parameters.emplace(each.name, each.value);
  CATCH_CHECK(parameters.size() == dense.named_parameters().size());
  for (const auto& each : dense.named_parameters()) {
    CATCH_CAPTURE(each.name);
    CATCH_REQUIRE(parameters.contains(each.name));
    CATCH_CHECK(at::equal(parameters.at(each.name), each.value));
  }
}

CATCH_TEST_CASE("the twin converts to another dtype, and a model that has no packed layer is its own twin") {
  InlinedModel twin(InlinedModel(pruned(traced_model("tiny_bert")), false).dense_twin(), false);
  twin.to(at::kHalf);
  for (const LinearLayer& linear : twin.linears()) CATCH_CHECK(linear.weight.scalar_type() == at::kHalf);
  const torch::jit::Module dense = traced_model("bert_sdpa_tf4");
  CATCH_CHECK(same_outputs(dense, InlinedModel(dense, false).dense_twin()));
}

CATCH_TEST_CASE("a model's bytes count each memory once, and packed weights as 9/16 in half precision") {
  const torch::jit::Module dense = linear_module(32, 64);
  const int64_t others = 4 * (32 + 1);  // bias and scale
  CATCH_CHECK(weight_bytes(dense, at::kFloat) == 4 * 32 * 64 + others);
  const InlinedModel model(dense, false);
  const torch::jit::Module sparse = model.rewrite(pack_all(model));
  CATCH_CHECK(weight_bytes(sparse, at::kFloat) == 4 * 32 * 64 * 17 / 32 + others);
  CATCH_CHECK(weight_bytes(sparse, at::kHalf) == 2 * 32 * 64 * 9 / 16 + others);
}

}  // namespace prune2to4
