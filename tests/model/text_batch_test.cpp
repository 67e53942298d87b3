// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/text_batch.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"

namespace prune2to4 {
namespace {

TextBatch small_batch() {
  return {at::tensor({5, 6, 0}, at::kLong).view({1, 3}), at::tensor({1, 1, 0}, at::kLong).view({1, 3}),
          at::tensor({0, 1, 0}, at::kLong).view({1, 3})};
}

torch::jit::Module module_of(const std::string& arguments) {
  torch::jit::Module module("Module");
  module.define("def forward(self, " + arguments + "):\n  return 0\n");
  return module;
}

}  // namespace

CATCH_TEST_CASE("forward's inputs are told by their names, in its order") {
  const TextBatch batch = small_batch();
  const auto inputs = forward_inputs(
      module_of("token_type_ids, position_ids, input_ids, attention_mask, extra: int = 3"), batch, at::kCPU);
  CATCH_REQUIRE(inputs.size() == 4);
  CATCH_CHECK(at::equal(inputs[0].toTensor(), batch.token_type_ids));
  CATCH_CHECK(at::equal(inputs[1].toTensor(), at::tensor({0, 1, 2}, at::kLong).view({1, 3})));
  CATCH_CHECK(at::equal(inputs[2].toTensor(), batch.input_ids));
  CATCH_CHECK(at::equal(inputs[3].toTensor(), batch.attention_mask));
}

CATCH_TEST_CASE("an argument of another name leaves no inputs") {
  CATCH_CHECK(forward_inputs(module_of("input_ids, pixels"), small_batch(), at::kCPU).empty());
}

CATCH_TEST_CASE("every tensor of an output is found, however nested") {
  const at::Tensor a = at::zeros({1});
  const at::Tensor b = at::ones({2});
  c10::Dict<std::string, at::Tensor> named;
  named.insert("b", b);
  const auto found = output_tensors(c10::ivalue::Tuple::create({a, 3, named, c10::List<at::Tensor>({b, a})}));
  CATCH_REQUIRE(found.size() == 4);
  CATCH_CHECK(found[0].is_same(a));
  CATCH_CHECK(found[1].is_same(b));
  CATCH_CHECK(found[3].is_same(a));
}

CATCH_TEST_CASE("the limits of a text model are the rows of its embeddings") {
  const TextLimits limits = text_limits(token_module("input_ids", 40));
  CATCH_CHECK(limits.vocabulary == 50);
  CATCH_CHECK(limits.segments == 2);
  CATCH_CHECK(limits.positions == 40);
}

CATCH_TEST_CASE("positions begin behind the padding index, and unknown names have no limits") {
  torch::jit::Module embedding("Embedding");
  embedding.register_parameter("weight", at::zeros({20, 1}), false);
  torch::jit::Module root("Root");
  root.register_module("position_embeddings", embedding);
  root.define(
      "def forward(self, input_ids):\n"
      "  return torch.embedding(self.position_embeddings.weight, input_ids, 1)\n");
  const TextLimits limits = text_limits(root);
  CATCH_CHECK(limits.positions == 18);
  CATCH_CHECK(limits.vocabulary == 0);
}

}  // namespace prune2to4
