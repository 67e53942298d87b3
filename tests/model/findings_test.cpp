// SPDX-License-Identifier: Apache-2.0
#include "model/findings.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

torch::jit::Module module_of(const std::vector<std::string>& parameters, const std::string& forward) {
  torch::jit::Module module("Root");
  for (const std::string& name : parameters) module.register_parameter(name, at::randn({8, 8}), false);
  module.define("def forward(self, x):\n  return " + forward + "\n");
  return module;
}

std::string refusal(const torch::jit::Module& module) {
  try {
    const InlinedModel model(module, false);
    return model.warnings().empty() ? "" : model.warnings().front();
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kModel);
    return error.what();
  }
}

}  // namespace

CATCH_TEST_CASE("what hides a linear layer is named with its mend") {
  CATCH_CHECK_THAT(refusal(module_of({"weight_orig", "weight_mask"},
                                     "torch.linear(x, self.weight_orig * self.weight_mask)")),
                   Contains("'weight_mask'") && Contains("torch.nn.utils.prune.remove"));
  CATCH_CHECK_THAT(
      refusal(module_of({"weight_g", "weight_v"}, "torch.linear(x, self.weight_v * self.weight_g)")),
      Contains("remove_weight_norm"));
  CATCH_CHECK_THAT(refusal(module_of({"weight"}, "torch.addmm(x, x, self.weight)")),
                   Contains("'weight'") && Contains("Conv1D"));
  CATCH_CHECK_THAT(refusal(module_of({"weight"}, "torch.addmm(x, x, self.weight.t())")),
                   Contains("PyTorch before 1.8"));
  CATCH_CHECK_THAT(refusal(module_of({"weight"}, "x @ self.weight")), Contains("not aten::linear"));
  CATCH_CHECK_THAT(refusal(module_of({"weight"},
                                     "torch.linear(x, torch.fake_quantize_per_tensor_affine(self.weight, "
                                     "0.1, 0, -128, 127))")),
                   Contains("quantised") && Contains("floating-point"));
}

CATCH_TEST_CASE("products of activations are nobody's weight") {
  CATCH_CHECK(refusal(module_of({"weight"}, "torch.linear(x, self.weight) @ x.t()")).empty());
}

CATCH_TEST_CASE("dropout and batch norms in training mode are warned of") {
  const auto warning = [](const std::string& rest) {
    return refusal(module_of({"weight"}, "torch.linear(" + rest + ", self.weight)"));
  };
  CATCH_CHECK_THAT(warning("torch.dropout(x, 0.1, True)"),
                   Contains("in 1 place") && Contains("model.eval()"));
  CATCH_CHECK(warning("torch.dropout(x, 0.1, False)").empty());
  CATCH_CHECK(warning("torch.dropout(x, 0., True)").empty());
  CATCH_CHECK_THAT(warning("torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, True)"),
                   Contains("batch's own statistics"));
}

CATCH_TEST_CASE("only methods that nobody calls are lost, and one line names them") {
  torch::jit::Module inner("Inner");
  inner.register_module("linear", linear_module(8, 8));
  inner.define(
      "def forward1(self, x):\n  return self.linear.forward(x)\n"
      "def forward2(self, x):\n  return self.forward1(x) + 1\n"
      "def spare(self, x):\n  return x\n"
      "def unused(self, x):\n  return x\n"
      "def forward(self, x):\n  return x\n");
  torch::jit::Module root("Root");
  root.register_module("inner", inner);
  root.define("def forward(self, x):\n  return self.inner.forward2(x)\n");
  const InlinedModel model(root, false);
  CATCH_CHECK(model.warnings() ==
              std::vector<std::string>{"2 methods of sub-modules that forward does not call are not kept: "
                                       "inner.spare, inner.unused"});
}

}  // namespace prune2to4
