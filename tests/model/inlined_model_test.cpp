// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/passes/freeze_module.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"
#include "prune2to4/error.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

torch::jit::Module module_of(const std::string& forward) {
  torch::jit::Module module("Root");
  module.register_parameter("weight", at::randn({8, 8}), false);
  module.define(forward);
  return module;
}

std::vector<std::string> names(const InlinedModel& model) {
  std::vector<std::string> result;
  for (const LinearLayer& linear : model.linears()) result.push_back(linear.name);
  return result;
}

}  // namespace

CATCH_TEST_CASE("linears are found by name in call order, through loops and branches") {
  const InlinedModel model(encoder_module(), false);
  CATCH_CHECK(names(model) == std::vector<std::string>{"encoder.layer.first.weight",
                                                       "encoder.layer.second.weight", "head.weight"});
  for (const LinearLayer& linear : model.linears()) CATCH_CHECK(linear.obstacle.empty());
  CATCH_CHECK(model.other_tensors().size() == 6);
  CATCH_CHECK(model.warnings().empty());
}

CATCH_TEST_CASE("a weight that forward also reads elsewhere cannot be rewritten") {
  const InlinedModel model(
      module_of("def forward(self, x):\n  return torch.linear(x, self.weight) + self.weight.sum()\n"), false);
  CATCH_CHECK_THAT(model.linears().front().obstacle, Contains("aten::sum"));
}

CATCH_TEST_CASE("a weight that forward computes stays dense with a warning") {
  const InlinedModel model(
      module_of("def forward(self, x):\n"
                "  return torch.linear(torch.linear(x, self.weight * 2), self.weight)\n"),
      false);
  CATCH_CHECK(model.linears().size() == 1);
  CATCH_CHECK_THAT(model.warnings().front(), Contains("aten::mul"));
}

CATCH_TEST_CASE("models that cannot be rewritten are refused with the mend") {
  CATCH_CHECK_THROWS_WITH(InlinedModel(module_of("def forward(self, x):\n  return x @ self.weight\n"), false),
                          Contains("no linear layer"));
  CATCH_CHECK_THROWS_WITH(InlinedModel(module_of("def other(self, x):\n  return x\n"), false),
                          Contains("no forward method"));
  CATCH_CHECK_THROWS_WITH(InlinedModel(torch::jit::freeze_module(encoder_module()), false),
                          Contains("frozen") && Contains("without torch.jit.freeze"));
}

CATCH_TEST_CASE("an operator that touches files is refused unless the model is trusted") {
  auto module = module_of(
      "def forward(self, x):\n  torch.save(x, \"stolen\")\n  return torch.linear(x, self.weight)\n");
  CATCH_CHECK_THROWS_WITH(InlinedModel(module, false), Contains("aten::save") && Contains("--trust-model"));
  CATCH_CHECK_NOTHROW(InlinedModel(module, true));
}

CATCH_TEST_CASE("a module reached on two paths is one linear") {
  auto shared = linear_module(8, 8);
  torch::jit::Module root("Root");
  root.register_module("a", shared);
  root.register_module("b", shared);
  root.define("def forward(self, x):\n  return self.b.forward(self.a.forward(x))\n");
  const InlinedModel model(root, false);
  CATCH_CHECK(names(model) == std::vector<std::string>{"a.weight"});

  const at::Tensor input = at::randn({3, 8});
  const at::Tensor expected = root.forward({input}).toTensor();
  torch::jit::Module sparse = model.rewrite(pack_all(model));
  CATCH_CHECK(at::equal(sparse.forward({input}).toTensor(), expected));
  CATCH_CHECK(sparse.attr("a").toModule()._ivalue() == sparse.attr("b").toModule()._ivalue());
}

CATCH_TEST_CASE("tensors in one memory know of each other, and converting keeps them together") {
  torch::jit::Module root("Root");
  auto first = linear_module(8, 8);
  auto second = linear_module(8, 8);
  second.setattr("weight", first.attr("weight").toTensor().detach());
  root.register_module("a", first);
  root.register_module("b", second);
  root.define("def forward(self, x):\n  return self.b.forward(self.a.forward(x))\n");
  InlinedModel model(root, false);
  CATCH_REQUIRE(model.linears().size() == 2);
  CATCH_CHECK(model.linears()[0].shares_with == std::vector<std::string>{"b.weight"});
  model.to(at::kHalf);
  CATCH_CHECK(model.linears()[0].weight.scalar_type() == at::kHalf);
  CATCH_CHECK(model.linears()[0].weight.is_alias_of(model.linears()[1].weight));
  CATCH_CHECK(root.attr("a").toModule().attr("bias").toTensor().scalar_type() == at::kHalf);

  model.set_weight(1, at::zeros({8, 8}));
  CATCH_CHECK_FALSE(model.linears()[0].weight.is_alias_of(model.linears()[1].weight));
  CATCH_CHECK(at::equal(root.attr("b").toModule().attr("weight").toTensor(), at::zeros({8, 8})));
}

}  // namespace prune2to4
