// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/input_roles.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

// A module with embeddings of words, token types and positions, 4 wide, and `forward` as given.
torch::jit::Module embedding_module(const std::string& forward) {
  torch::jit::Module module("Module");
  for (const char* name : {"word_embeddings", "token_type_embeddings", "position_embeddings"}) {
    torch::jit::Module table(name);
    table.register_parameter("weight", at::ones({8, 4}), false);
    module.register_module(name, table);
  }
  module.define(forward);
  return module;
}

// A letter for each of ids, mask, types and positions; "-" for a default.
std::string roles_of(const std::string& forward) {
  std::string reason;
  const auto roles = input_roles(embedding_module(forward), reason);
  CATCH_INFO(reason);
  CATCH_REQUIRE(roles);
  std::string letters;
  for (const InputRole role : roles->roles) letters += "imtp-"[static_cast<int>(role)];
  return letters;
}

std::string refusal(const std::string& forward) {
  std::string reason;
  CATCH_CHECK_FALSE(input_roles(embedding_module(forward), reason));
  return reason;
}

}  // namespace

CATCH_TEST_CASE("arguments are told by the embeddings that they index, whatever their names") {
  CATCH_CHECK(roles_of(R"(
def forward(self, a, b, c, d):
  x = torch.embedding(self.word_embeddings.weight, c.to(4).unsqueeze(0).squeeze(0))
  y = torch.embedding(self.token_type_embeddings.weight, a.long())
  z = torch.embedding(self.position_embeddings.weight, d.expand(c.size(0), c.size(1)))
  return (x + y + z) * b.unsqueeze(2)
)") == "tmip");
  // Names that say something else are not believed.
  CATCH_CHECK(roles_of(R"(
def forward(self, segment_ids, input_ids):
  x = torch.embedding(self.word_embeddings.weight, segment_ids)
  return x + torch.embedding(self.token_type_embeddings.weight, input_ids)
)") == "it");
}

CATCH_TEST_CASE(
    "what the graph does not use is told by its name, and defaults are given where a text has them") {
  CATCH_CHECK(roles_of(R"(
def forward(self, token_type_ids, input_ids, attention_mask: Optional[Tensor] = None, inputs_embeds: Optional[Tensor] = None):
  x = torch.embedding(self.word_embeddings.weight, input_ids)
  if attention_mask is not None:
    x = x * attention_mask.unsqueeze(2)
  return x
)") == "tim");
}

CATCH_TEST_CASE("positions begin behind the padding index of their embedding") {
  std::string reason;
  const auto module = embedding_module(R"(
def forward(self, ids, p):
  x = torch.embedding(self.word_embeddings.weight, ids)
  return x + torch.embedding(self.position_embeddings.weight, p, 1)
)");
  const auto roles = input_roles(module, reason);
  CATCH_REQUIRE(roles);
  CATCH_CHECK(roles->first_position == 2);
  const at::Tensor ids = at::ones({2, 3}, at::kLong);
  const auto inputs = forward_inputs(module, *roles, {ids, ids, ids}, at::kCPU);
  CATCH_REQUIRE(inputs.size() == 2);
  CATCH_CHECK(at::equal(inputs[1].toTensor(), at::tensor({2, 3, 4, 2, 3, 4}, at::kLong).view({2, 3})));
}

CATCH_TEST_CASE("arguments that are nothing of the kind, or one too many, are named") {
  CATCH_CHECK_THAT(refusal(R"(
def forward(self, ids, a, b):
  return torch.embedding(self.word_embeddings.weight, ids) * a.unsqueeze(2) * b.unsqueeze(2)
)"),
                   Contains("'a' and 'b' are used alike"));
  CATCH_CHECK_THAT(
      refusal(
          "def forward(self, ids, pixels):\n  return torch.embedding(self.word_embeddings.weight, ids)\n"),
      Contains("'pixels'"));
  CATCH_CHECK_THAT(refusal("def forward(self, x):\n  return x * 2\n"), Contains("indexes a word embedding"));
}

}  // namespace prune2to4
