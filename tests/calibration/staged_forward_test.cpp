// SPDX-License-Identifier: Apache-2.0
#include "calibration/staged_forward.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "prune2to4/module_parameters.h"

namespace prune2to4 {
namespace {

// Two linear layers a and b, 4 wide, and `forward` as given.
torch::jit::Module two_layers(const std::string& forward) {
  torch::jit::Module module("Module");
  for (const char* name : {"a", "b"}) module.register_parameter(name, at::eye(4) * 2, false);
  module.define(forward);
  return module;
}

constexpr const char* kPlain = R"(
def forward(self, x, scale: float = 3.0):
  y = torch.relu(x)
  z = torch.linear(y * scale, self.a)
  if z.size(0) > 1:
    z = z + y
  return torch.linear(z, self.b) + x
)";

}  // namespace

CATCH_TEST_CASE("stages give what a call reads, and read weights that were replaced in between") {
  torch::jit::Module module = two_layers(kPlain);
  const auto stages = StagedForward::cut(module, {"a", "b"});
  CATCH_REQUIRE(stages);
  const at::Tensor x = at::arange(-4, 4, at::kFloat).view({2, 4});
  auto state = stages->begin({x});
  CATCH_CHECK(at::equal(stages->run(0, state), x.relu() * 3));
  set_parameter(module, {"a", at::eye(4)});
  CATCH_CHECK(at::equal(stages->run(1, state), x.relu() * 4));
  // What no later stage needs is not held: x went into the last result only.
  CATCH_CHECK(state.size() == 1);
}

CATCH_TEST_CASE("a batch of one stage does not see another's") {
  const torch::jit::Module module = two_layers(kPlain);
  const auto stages = StagedForward::cut(module, {"a", "b"});
  CATCH_REQUIRE(stages);
  auto first = stages->begin({at::ones({2, 4})});
  auto second = stages->begin({at::ones({2, 4}) * 2, 1.0});
  CATCH_CHECK(at::equal(stages->run(0, first), at::ones({2, 4}) * 3));
  CATCH_CHECK(at::equal(stages->run(0, second), at::ones({2, 4}) * 2));
  CATCH_CHECK(at::equal(stages->run(1, second), at::ones({2, 4}) * 6));
  CATCH_CHECK(at::equal(stages->run(1, first), at::ones({2, 4}) * 7));
}

CATCH_TEST_CASE("calls in nested blocks, repeated ones and another order are not cut") {
  CATCH_CHECK_FALSE(StagedForward::cut(two_layers(kPlain), {"b", "a"}));
  CATCH_CHECK_FALSE(StagedForward::cut(two_layers(kPlain), {"a", "c"}));
  CATCH_CHECK(StagedForward::cut(two_layers(kPlain), {"b"}));
  CATCH_CHECK_FALSE(StagedForward::cut(
      two_layers("def forward(self, x):\n  return torch.linear(torch.linear(x, self.a), self.a)\n"), {"a"}));
  CATCH_CHECK_FALSE(StagedForward::cut(two_layers(R"(
def forward(self, x):
  if x.size(0) > 1:
    x = torch.linear(x, self.a)
  return x
)"),
                                       {"a"}));
}

}  // namespace prune2to4
