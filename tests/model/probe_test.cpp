// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/probe.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>

#include "core/temporary_folder.h"
#include "model/small_models.h"
#include "prune2to4/tensor_view.h"

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
                                 at::kCPU, 7);
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
      at::kCPU, 7);
  CATCH_CHECK(probe.failure.empty());
  CATCH_CHECK(probe.batch == 3);
  CATCH_CHECK(probe.sequence == 13);
}

CATCH_TEST_CASE("a model that cannot be probed says why, and what it needs") {
  const Probe list =
      make_probe(text_module("def forward(self, left, others: List[Tensor]):\n  return left + others[0]\n"),
                 at::kCPU, 7);
  CATCH_CHECK_THAT(list.failure,
                   Contains("no random value can be made") && Contains("others (List[Tensor])"));
  CATCH_CHECK_THAT(list.needs, Contains("left (float32 [batch, length])"));
  const Probe wired = make_probe(
      text_module("def forward(self, input_ids):\n  return torch.embedding(self.word_embeddings.weight, "
                  "input_ids).view([999, 7])\n"),
      at::kCPU, 7);
  CATCH_CHECK_THAT(wired.failure, Contains("forward failed: shape '[999, 7]' is invalid"));
  CATCH_CHECK(wired.needs == "input_ids (int64 [batch, length], below 50)");
}

CATCH_TEST_CASE("outputs that say nothing are no comparison") {
  const auto failure = [](const std::string& forward) {
    return make_probe(text_module(forward), at::kCPU, 7).failure;
  };
  CATCH_CHECK_THAT(failure("def forward(self, x):\n  return (x - x) / (x - x)\n"), Contains("NaN"));
  CATCH_CHECK_THAT(failure("def forward(self, x):\n  return x * 0\n"), Contains("the same outputs"));
  CATCH_CHECK_THAT(failure("def forward(self, x):\n  return None\n"), Contains("no tensor"));
}

CATCH_TEST_CASE("inputs are drawn anew where the first give NaN") {
  const Probe logarithm =
      make_probe(text_module("def forward(self, x):\n  return torch.log(x)\n"), at::kCPU, 7);
  CATCH_REQUIRE(logarithm.failure.empty());
  CATCH_CHECK(at::isfinite(logarithm.outputs[0]).all().item<bool>());
  // A mask that is true where nothing is to be seen.
  const Probe masked =
      make_probe(text_module("def forward(self, x, mask):\n"
                             "  return torch.softmax(x.masked_fill(mask, float(\"-inf\")), -1)\n"),
                 at::kCPU, 7);
  CATCH_REQUIRE(masked.failure.empty());
  CATCH_CHECK(masked.inputs[1].toTensor().scalar_type() == at::kBool);
  CATCH_CHECK(at::isfinite(masked.outputs[0]).all().item<bool>());
}

CATCH_TEST_CASE("scalars of Python get a value, and live dropout two equal runs") {
  const Probe probe = make_probe(
      text_module("def forward(self, x, scale: float, count: int, flag: bool, more: Optional[Tensor]):\n"
                  "  y = torch.dropout(x, 0.5, True) * scale + count\n"
                  "  return y if not flag else -y\n"),
      at::kCPU, 7);
  CATCH_REQUIRE(probe.failure.empty());
  CATCH_CHECK(probe.inputs[1].toDouble() == 1.0);
  CATCH_CHECK(probe.inputs[4].isNone());
}

CATCH_TEST_CASE("what forward writes into its buffers and its inputs is undone") {
  torch::jit::Module root("Root");
  root.register_buffer("calls", at::zeros({1}));
  root.define("def forward(self, x):\n  self.calls.add_(1)\n  x.add_(1)\n  return x * self.calls\n");
  const Probe probe = make_probe(root, at::kCPU, 7);
  CATCH_REQUIRE(probe.failure.empty());
  CATCH_CHECK(root.attr("calls").toTensor().item<float>() == 0);
  CATCH_CHECK(compare_outputs(probe.outputs, run_probe(root, probe, at::kCPU, 7)).largest_difference == 0);
}

CATCH_TEST_CASE("probing twice with one seed gives one batch and one output") {
  const Probe first = make_probe(encoder_module(), at::kCPU, 3);
  const Probe second = make_probe(encoder_module(), at::kCPU, 3);
  CATCH_REQUIRE(first.failure.empty());
  CATCH_CHECK(at::equal(first.inputs[0].toTensor(), second.inputs[0].toTensor()));
  const torch::jit::Module module = encoder_module();
  CATCH_CHECK(compare_outputs(run_probe(module, first, at::kCPU, 3), run_probe(module, first, at::kCPU, 3))
                  .largest_difference == 0);
}

CATCH_TEST_CASE("inputs of a file are held against forward's arguments") {
  const std::string forward =
      "def forward(self, input_ids, weights):\n"
      "  return torch.embedding(self.word_embeddings.weight, input_ids) * weights.unsqueeze(-1)\n";
  const TemporaryFolder folder;
  const auto file = folder.path() / "probe.safetensors";
  const at::Tensor ids = at::arange(6).view({2, 3});
  const at::Tensor weights = at::ones({2, 3});
  const auto read = [&](const std::vector<NamedTensor>& tensors) {
    std::vector<TensorView> views;
    for (const NamedTensor& tensor : tensors) views.push_back(view_of(tensor));
    AtomicFile output(file);
    write_safetensors(views, {}, output);
    output.commit();
    return read_probe(text_module(forward), at::kCPU, 7, {}, file);
  };
  const Probe probe = read({{"input_ids", ids}, {"weights", weights}});
  CATCH_CHECK(probe.batch == 2);
  CATCH_CHECK(probe.outputs.front().sizes() == at::IntArrayRef{2, 3, 4});
  CATCH_CHECK_THROWS_WITH(read({{"input_ids", ids}}), Contains("has no tensor 'weights'"));
  CATCH_CHECK_THROWS_WITH(read({{"input_ids", ids}, {"weight", weights}}),
                          Contains("'weight' is no argument of forward (did you mean 'weights'?)"));
  CATCH_CHECK_THROWS_WITH(read({{"input_ids", weights}, {"weights", weights}}),
                          Contains("'input_ids' is of float32") && Contains("input_ids (int64"));
  CATCH_CHECK_THROWS_WITH(read({{"input_ids", ids + 47}, {"weights", weights}}),
                          Contains("'input_ids' holds 52") && Contains("50 rows"));
  CATCH_CHECK_THROWS_WITH(read({{"input_ids", ids}, {"weights", at::ones({5})}}), Contains("forward failed"));
}

CATCH_TEST_CASE("integers that differ are counted beside the floats' difference") {
  const auto result =
      compare_outputs({at::tensor({1.0F}), at::tensor({3, 900})}, {at::tensor({1.5F}), at::tensor({3, 4})});
  CATCH_CHECK(result.largest_difference == 0.5);
  CATCH_CHECK(result.integers == 2);
  CATCH_CHECK(result.changed_integers == 1);
  CATCH_CHECK(std::isnan(compare_outputs({at::ones({2})}, {at::ones({3})}).largest_difference));
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
