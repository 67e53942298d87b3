// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/probe.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>

#include "model/small_models.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

torch::jit::Module text_module(const std::string& forward) {
  torch::jit::Module embedding("Embedding");
  embedding.register_parameter("weight", at::randn({50, 4}), false);
  torch::jit::Module root("Root");
  root.register_module("word_embeddings", embedding);
  root.define(forward);
  return root;
}

}  // namespace

CATCH_TEST_CASE("a text model is probed with ids of its vocabulary and a padded row") {
  const Probe probe = make_probe(text_module("def forward(self, input_ids, attention_mask):\n"
                                             "  return torch.embedding(self.word_embeddings.weight, "
                                             "input_ids) * attention_mask.unsqueeze(-1)\n"),
                                 4, at::kCPU, 7);
  CATCH_CHECK(probe.failure.empty());
  CATCH_CHECK(probe.batch == 2);
  const at::Tensor ids = probe.inputs[0].toTensor();
  CATCH_CHECK(ids.sizes() == at::IntArrayRef{2, probe.sequence});
  CATCH_CHECK(ids.max().item<int64_t>() < 50);
  const at::Tensor mask = probe.inputs[1].toTensor();
  CATCH_CHECK(mask[0].sum().item<int64_t>() == probe.sequence);
  CATCH_CHECK(mask[1].sum().item<int64_t>() < probe.sequence);
  CATCH_CHECK(probe.outputs.size() == 1);
}

CATCH_TEST_CASE("a shape that the graph wired in is found") {
  const Probe probe = make_probe(
      text_module("def forward(self, input_ids):\n"
                  "  return torch.embedding(self.word_embeddings.weight, input_ids).view([3, 13, 4])\n"),
      4, at::kCPU, 7);
  CATCH_CHECK(probe.failure.empty());
  CATCH_CHECK(probe.batch == 3);
  CATCH_CHECK(probe.sequence == 13);
}

CATCH_TEST_CASE("a model that cannot be probed says why") {
  CATCH_CHECK_THAT(
      make_probe(text_module("def forward(self, left, right):\n  return left + right\n"), 4, at::kCPU, 7)
          .failure,
      Contains("forward takes arguments"));
  CATCH_CHECK_THAT(
      make_probe(text_module("def forward(self, input_ids):\n  return input_ids.view([999, 7])\n"), 4,
                 at::kCPU, 7)
          .failure,
      Contains("forward failed"));
}

CATCH_TEST_CASE("probing twice with one seed gives one batch and one output") {
  const Probe first = make_probe(encoder_module(), 8, at::kCPU, 3);
  const Probe second = make_probe(encoder_module(), 8, at::kCPU, 3);
  CATCH_REQUIRE(first.failure.empty());
  CATCH_CHECK(at::equal(first.inputs[0].toTensor(), second.inputs[0].toTensor()));
  const torch::jit::Module module = encoder_module();
  CATCH_CHECK(compare_outputs(run_probe(module, first, 3), run_probe(module, first, 3)).largest_difference ==
              0);
}

CATCH_TEST_CASE("differences between outputs are the largest absolute ones") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto same = compare_outputs({at::tensor({1.0F, nan})}, {at::tensor({1.0F, nan})});
  CATCH_CHECK(same.largest_difference == 0);
  const auto result = compare_outputs({at::tensor({1.0F, -4.0F}), at::tensor({2.0F})},
                                      {at::tensor({1.5F, -4.0F}), at::tensor({0.0F})});
  CATCH_CHECK(result.largest_difference == 2);
  CATCH_CHECK(result.largest_value == 4);
  CATCH_CHECK(std::isnan(compare_outputs({at::tensor({nan})}, {at::tensor({1.0F})}).largest_difference));
  const at::Tensor one = at::tensor({1.0F});
  CATCH_CHECK(std::isnan(compare_outputs({at::tensor({nan}), one}, {one, one}).largest_difference));
  CATCH_CHECK(std::isnan(compare_outputs({}, {at::tensor({1.0F})}).largest_difference));
}

}  // namespace prune2to4
