// SPDX-License-Identifier: Apache-2.0
#include "model/input_spec.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"

namespace prune2to4 {
namespace {

// Parameters that a forward may use: a table [50, 8], a smaller one [7, 8], a matrix [16, 8], filters [6, 3,
// 4, 4].
torch::jit::Module module_of(const std::string& forward) {
  torch::jit::Module root("Root");
  root.register_parameter("table", at::randn({50, 8}), false);
  root.register_parameter("small", at::randn({7, 8}), false);
  root.register_parameter("weight", at::randn({16, 8}), false);
  root.register_parameter("filters", at::randn({6, 3, 4, 4}), false);
  root.register_buffer("offsets", at::tensor({0, 20}));
  root.define(forward);
  return root;
}

std::string described(const std::string& forward,
                      const std::vector<std::optional<ExampleTensor>>& examples = {}) {
  return description(input_specs(module_of(forward), examples));
}

}  // namespace

CATCH_TEST_CASE("ids are bounded by the smallest table that they reach") {
  CATCH_CHECK(described("def forward(self, x):\n  return torch.embedding(self.table, x)\n") ==
              "x (int64 [batch, length], below 50)");
  CATCH_CHECK(described("def forward(self, x):\n"
                        "  y = x.unsqueeze(0).expand([2, -1, -1]).contiguous()[:, 1:]\n"
                        "  return torch.embedding(self.table, y + 10)\n") ==
              "x (int64 [batch, length], below 40)");
  CATCH_CHECK(described("def forward(self, x):\n"
                        "  return torch.embedding(self.table, x) + torch.embedding(self.small, x)\n") ==
              "x (int64 [batch, length], below 7)");
  CATCH_CHECK(described("def forward(self, x):\n  return torch.embedding(self.table, x + self.offsets)\n") ==
              "x (int64 [batch, length], below 30)");
  CATCH_CHECK(described("def forward(self, x):\n  return torch.index_select(self.small, 0, x)\n") ==
              "x (int64 [batch, length], below 7)");
  CATCH_CHECK(described("def forward(self, x):\n  return self.small[x]\n") ==
              "x (int64 [batch, length], below 7)");
}

CATCH_TEST_CASE("what is only compared with a number is no index of the table that the result indexes") {
  CATCH_CHECK(
      described("def forward(self, input_ids):\n"
                "  places = torch.cumsum((input_ids != 1).long(), 1)\n"
                "  return torch.embedding(self.table, input_ids) + torch.embedding(self.small, places)\n") ==
      "input_ids (int64 [batch, length], below 50)");
}

CATCH_TEST_CASE("floats have the width of the linear layer that they reach") {
  CATCH_CHECK(described("def forward(self, x):\n  return torch.linear(torch.relu(x), self.weight)\n") ==
              "x (float32 [batch, 8])");
  CATCH_CHECK(described("def forward(self, x):\n"
                        "  return torch.linear(x, self.weight).transpose(1, 2)\n") ==
              "x (float32 [batch, length, 8])");
  CATCH_CHECK(described("def forward(self, x):\n  return torch.linear(x.flatten(1), self.weight)\n") ==
              "x (float32 [batch, 8])");
  CATCH_CHECK(described("def forward(self, x):\n  return torch.linear(x.transpose(1, 2), self.weight)\n") ==
              "x (float32 [batch, 8, side])");
  CATCH_CHECK(described("def forward(self, x):\n  return torch.mm(x, self.weight)\n") ==
              "x (float32 [batch, 16])");
}

CATCH_TEST_CASE("images have the channels of the convolution, and as many patches as there are positions") {
  const std::string forward =
      "def forward(self, x):\n  return torch.conv2d(x, self.filters, None, [4, 4], [0, 0], [1, 1], 1)\n";
  CATCH_CHECK(described(forward) == "x (float32 [batch, 3, side, side])");
  torch::jit::Module model = module_of(forward);
  model.register_parameter("positions", at::randn({1, 26, 8}), false);
  std::vector<int64_t> sides;  // positions less one are 5 x 5 patches of 4 x 4
  for (const OpenSizes& sizes : input_specs(model, {}).sizes) sides.push_back(sizes.side);
  const auto place = [&](int64_t side) {
    return std::find(sides.begin(), sides.end(), side) - sides.begin();
  };
  CATCH_CHECK(place(20) < place(32));
}

CATCH_TEST_CASE("masks are told by what is done with them") {
  CATCH_CHECK(
      described(
          "def forward(self, x, mask):\n  return torch.linear(x, self.weight).masked_fill(mask, 0.)\n") ==
      "x (float32 [batch, 8]), mask (bool [batch, length])");
  CATCH_CHECK(described("def forward(self, x, attention_mask):\n"
                        "  return torch.embedding(self.table, x) * attention_mask.unsqueeze(-1)\n") ==
              "x (int64 [batch, length], below 50), attention_mask (int64 [batch, length])");
}

CATCH_TEST_CASE("a trace's examples decide types and ranks") {
  const std::string forward =
      "def forward(self, x, mask):\n  return torch.linear(x, self.weight) + mask.unsqueeze(-1)\n";
  const std::vector<std::optional<ExampleTensor>> examples{ExampleTensor{"float32", {3, 5, 8}},
                                                           ExampleTensor{"int32", {3, 5}}};
  const InputSpecs specs = input_specs(module_of(forward), examples);
  CATCH_CHECK(description(specs) == "x (float32 [batch, length, 8]), mask (int32 [batch, length])");
  CATCH_CHECK(specs.sizes.front().sequence == 5);
  CATCH_CHECK(shape_of(specs.inputs[0].shapes[0], {2, 5}) == std::vector<int64_t>{2, 5, 8});
}

CATCH_TEST_CASE("arguments with a default are left out, and others named by their type") {
  CATCH_CHECK(described("def forward(self, x, scale: float, names: List[str], flag: bool = True):\n"
                        "  return torch.linear(x, self.weight) * scale\n") ==
              "x (float32 [batch, 8]), scale (float), names (List[str])");
}

CATCH_TEST_CASE("inputs are followed into branches and loops") {
  CATCH_CHECK(described("def forward(self, x, times: int):\n"
                        "  y = x\n"
                        "  if times > 3:\n"
                        "    y = x.unsqueeze(0)\n"
                        "  return torch.embedding(self.table, y)\n") ==
              "x (int64 [batch, length], below 50), times (int)");
}

}  // namespace prune2to4
