// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/prune_layers.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>

#include "model/small_models.h"
#include "prune2to4/error.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Outcome = LayerReport::Outcome;

// Two dense linears a and b; `tie` makes b's weight a's memory.
torch::jit::Module pair(bool tie) {
  torch::jit::Module root("Root");
  for (const char* name : {"a", "b"}) {
    auto linear = linear_module(8, 8);
    linear.setattr("weight", at::randn({8, 8}));
    root.register_module(name, linear);
  }
  if (tie) root.attr("b").toModule().setattr("weight", root.attr("a").toModule().attr("weight").toTensor());
  root.define("def forward(self, x):\n  return self.b.forward(self.a.forward(x))\n");
  return root;
}

std::vector<LayerChoice> choices(bool a, bool b) {
  return {{"a.weight", a, MaskOptions{}, "rule a"}, {"b.weight", b, MaskOptions{}, "rule b"}};
}

std::vector<LayerReport> mask_and_check(InlinedModel& model, const std::vector<LayerChoice>& chosen) {
  auto reports = mask_layers(model, chosen, false);
  check_layers(model, false, reports);
  return reports;
}

}  // namespace

CATCH_TEST_CASE("chosen weights become 2:4 and the others stay") {
  InlinedModel model(pair(false), false);
  const at::Tensor before = model.linears()[0].weight.clone();
  const at::Tensor other = model.linears()[1].weight.clone();
  const auto reports = mask_and_check(model, choices(true, false));
  CATCH_CHECK(reports[0].outcome == Outcome::kPacked);
  CATCH_CHECK(reports[0].zeros == 32);
  CATCH_CHECK(reports[0].stored_bytes == 8 * (4 * 4 + 1));
  const double removed = (before - model.linears()[0].weight).norm().item<double>();
  CATCH_CHECK(reports[0].relative_error == Approx(removed / before.norm().item<double>()).epsilon(1e-5));
  CATCH_CHECK(reports[1].outcome == Outcome::kDense);
  CATCH_CHECK(at::equal(model.linears()[1].weight, other));
}

CATCH_TEST_CASE("a layer that is masked but not 2:4 stays dense and says which group") {
  InlinedModel model(pair(false), false);
  auto chosen = choices(true, true);
  chosen[0].mask.sparsity_level = 0.5;
  const auto reports = mask_and_check(model, chosen);
  CATCH_CHECK(reports[0].outcome == Outcome::kMasked);
  CATCH_CHECK_THAT(reports[0].reason, Contains("not 2:4: row "));
  CATCH_CHECK(reports[0].zeros == 16);
  CATCH_CHECK(reports[1].outcome == Outcome::kPacked);
}

CATCH_TEST_CASE("layers that cannot be packed are taken off the choice, with the reason") {
  torch::jit::Module root("Root");
  root.register_module("a", linear_module(6, 6));
  root.register_module("b", linear_module(8, 6));
  root.attr("b").toModule().setattr("weight", at::randn({8, 8}));
  root.define("def forward(self, x):\n  return self.b.forward(self.a.forward(x))\n");
  const InlinedModel model(root, false);
  auto chosen = choices(true, true);
  leave_unpackable_dense(model, chosen);
  CATCH_CHECK_FALSE(chosen[0].selected);
  CATCH_CHECK(chosen[0].obstacle == "its input width 6 is not a multiple of 4");
  CATCH_CHECK(chosen[1].selected);
  chosen[1].mask.sparsity_level = 0.5;
  leave_unpackable_dense(model, chosen);
  CATCH_CHECK_FALSE(chosen[1].selected);
  CATCH_CHECK_THAT(chosen[1].obstacle, Contains("not 2:4: row "));
  chosen = choices(false, true);
  chosen[1].mask.sparse_block_shape = {1, 8};
  chosen[1].mask.zeros_per_block = 6;
  leave_unpackable_dense(model, chosen);
  CATCH_CHECK(chosen[1].selected);  // two of eight are left: at most two of four
}

CATCH_TEST_CASE("layers that share a weight and a choice share the packed weight") {
  InlinedModel model(pair(true), false);
  auto reports = mask_and_check(model, choices(true, true));
  CATCH_CHECK(reports[1].shares_with == "a.weight");
  CATCH_CHECK(reports[1].relative_error == reports[0].relative_error);
  const auto packed = pack_layers(model, reports);
  CATCH_CHECK(packed.at("a.weight").is(packed.at("b.weight")));
}

CATCH_TEST_CASE("a shared weight that only one layer prunes leaves the other layer dense") {
  InlinedModel model(pair(true), false);
  const at::Tensor before = model.linears()[0].weight.clone();
  const auto reports = mask_and_check(model, choices(true, false));
  CATCH_CHECK(reports[0].outcome == Outcome::kPacked);
  CATCH_CHECK(at::equal(model.linears()[1].weight, before));
  CATCH_CHECK_FALSE(at::equal(model.linears()[0].weight, before));
}

CATCH_TEST_CASE("a chosen weight that an embedding reads too stays as it is") {
  torch::jit::Module root("Root");
  root.register_parameter("weight", at::randn({8, 8}), false);
  root.define("def forward(self, x):\n  return torch.linear(torch.embedding(self.weight, x), self.weight)\n");
  InlinedModel model(root, false);
  const at::Tensor before = model.linears()[0].weight.clone();
  const auto reports = mask_and_check(model, {{"weight", true, MaskOptions{}, "rule"}});
  CATCH_CHECK(reports[0].outcome == Outcome::kDense);
  CATCH_CHECK_THAT(reports[0].reason, Contains("aten::embedding"));
  CATCH_CHECK(at::equal(model.linears()[0].weight, before));
}

CATCH_TEST_CASE("NaN and infinity in a chosen weight are errors unless allowed") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    InlinedModel model(pair(false), false);
    at::Tensor weight = model.linears()[0].weight;
    weight[2][3] = bad;
    CATCH_CHECK_THROWS_WITH(mask_layers(model, choices(true, false), false),
                            Contains("'a.weight'") && Contains("--allow-nonfinite"));
    CATCH_CHECK_NOTHROW(mask_layers(model, choices(false, true), false));
    CATCH_CHECK_NOTHROW(mask_layers(model, choices(true, false), true));
    CATCH_CHECK_FALSE(model.linears()[0].weight[2][3].item<float>() == 0);
  }
}

CATCH_TEST_CASE("a weight that a conversion makes infinite is an error") {
  InlinedModel model(pair(false), false);
  model.linears()[0].weight[0][0].fill_(1e6);
  auto reports = mask_layers(model, choices(true, false), false);
  model.to(at::kHalf);
  CATCH_CHECK_THROWS_WITH(check_layers(model, false, reports), Contains("'a.weight'"));
}

CATCH_TEST_CASE("packing gives each dense weight's memory up") {
  InlinedModel model(pair(false), false);
  auto reports = mask_and_check(model, choices(true, true));
  const at::Tensor masked = model.linears()[0].weight.clone();
  const auto packed = pack_layers(model, reports);
  CATCH_CHECK(model.linears()[0].weight.numel() == 0);
  CATCH_CHECK(at::equal(packed.at("a.weight").toCustomClass<PackedWeight>()->unpack(), masked));
}

}  // namespace prune2to4
