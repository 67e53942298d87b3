// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/module_parameters.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

std::vector<std::string> names_of(const torch::jit::Module& module) {
  std::vector<std::string> names;
  for (const NamedTensor& each : forward_parameters(module)) names.push_back(each.name);
  return names;
}

// Two layers whose weights are one tensor, a weight that no one reads, one of integers, and a buffer.
torch::jit::Module tied_module() {
  torch::jit::Module root("Root");
  const torch::jit::Module first = linear_module(4, 4);
  torch::jit::Module second = linear_module(4, 4);
  second.setattr("weight", first.attr("weight"));
  root.register_module("first", first);
  root.register_module("second", second);
  root.register_module("unused", linear_module(4, 4));
  root.register_parameter("counts", at::ones({4}, at::kLong), false);
  root.register_buffer("shift", at::ones({4}));
  root.define(R"(
def forward(self, x):
  return self.second.forward(self.first.forward(x)) * self.counts + self.shift
)");
  root.eval();
  return root;
}

}  // namespace

CATCH_TEST_CASE("what forward reads of the parameters is what is trained, shared ones once") {
  const std::vector<std::string> expected{"first.weight", "first.bias", "second.bias"};
  torch::jit::Module module = tied_module();
  CATCH_CHECK(names_of(module) == expected);
  CATCH_CHECK(names_of(InlinedModel(module, false).rewrite({})) == expected);
}

CATCH_TEST_CASE("parameters inside loops and branches count, in the module's order") {
  const std::vector<std::string> expected{"encoder.layer.first.weight",
                                          "encoder.layer.first.bias",
                                          "encoder.layer.second.weight",
                                          "encoder.layer.second.bias",
                                          "head.weight",
                                          "head.bias"};
  CATCH_CHECK(names_of(encoder_module()) == expected);
}

CATCH_TEST_CASE("a parameter is replaced wherever its memory is read") {
  torch::jit::Module module = tied_module();
  const at::Tensor weight = at::eye(4) * 3;
  const at::Tensor bias = at::zeros({4});
  set_parameters(module, {{"first.weight", weight}, {"first.bias", bias}, {"second.bias", bias}});
  const at::NoGradGuard no_gradients;
  CATCH_CHECK(at::equal(module.forward({at::ones({4})}).toTensor(), at::full({4}, 10.0F)));
  // The module reads the very tensor.
  weight.mul_(2);
  CATCH_CHECK(at::equal(module.forward({at::ones({4})}).toTensor(), at::full({4}, 37.0F)));
  CATCH_CHECK(names_of(module).front() == "first.weight");
}

CATCH_TEST_CASE("one parameter of several in a memory is replaced alone") {
  torch::jit::Module module = InlinedModel(tied_module(), false).rewrite({});
  const at::Tensor old = parameter_named(module, "first.weight");
  set_parameter(module, {"second.weight", at::ones({4, 4})});
  CATCH_CHECK(parameter_named(module, "first.weight").is_same(old));
  CATCH_CHECK(at::equal(parameter_named(module, "second.weight"), at::ones({4, 4})));
  CATCH_CHECK(!parameter_named(module, "third.weight").defined());
}

CATCH_TEST_CASE("a linear's bias is found when nothing else reads it") {
  const InlinedModel model(tied_module(), false);
  const auto biases = linear_biases(model.rewrite({}));
  CATCH_REQUIRE(biases.size() == 2);
  CATCH_CHECK(biases.at("first.weight").name == "first.bias");
  CATCH_CHECK(biases.at("second.weight").name == "second.bias");
  torch::jit::Module shared = tied_module();
  torch::jit::Module second = shared.attr("second").toModule();
  second.setattr("bias", shared.attr("first").toModule().attr("bias"));
  CATCH_CHECK(linear_biases(InlinedModel(shared, false).rewrite({})).empty());
}

CATCH_TEST_CASE("a parameter keeps its gradient's place when it is put into a module") {
  torch::jit::Module module = encoder_module();
  std::vector<NamedTensor> leaves;
  for (const NamedTensor& each : forward_parameters(module))
    leaves.push_back({each.name, each.tensor.detach().clone().set_requires_grad(true)});
  set_parameters(module, leaves);
  module.forward({at::ones({2, 8})}).toTupleRef().elements()[0].toTensor().sum().backward();
  for (const NamedTensor& each : leaves) {
    CATCH_INFO(each.name);
    CATCH_CHECK(each.tensor.grad().defined());
  }
}

}  // namespace prune2to4
