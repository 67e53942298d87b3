// SPDX-License-Identifier: Apache-2.0
#include "model/small_models.h"

#include <ATen/ATen.h>

namespace prune2to4 {

torch::jit::Module linear_module(int64_t out, int64_t in) {
  torch::jit::Module module("Linear");
  at::Tensor weight = at::randn({out, in});
  weight.slice(1, 0, in, 4).zero_();
  weight.slice(1, 2, in, 4).zero_();
  module.register_parameter("weight", weight, /*is_buffer=*/false);
  module.register_parameter("bias", at::randn({out}), /*is_buffer=*/false);
  module.register_buffer("scale", at::ones({1}));
  module.define("def forward(self, x):\n  return torch.linear(x, self.weight, self.bias) * self.scale\n");
  return module;
}

torch::jit::Module encoder_module() {
  torch::jit::Module layer("Layer");
  layer.register_module("first", linear_module(16, 8));
  layer.register_module("second", linear_module(8, 16));
  layer.define(R"(
def forward(self, x):
  for i in range(2):
    x = self.second.forward(torch.relu(self.first.forward(x)))
  if bool(x.sum() > 0):
    x = self.second.forward(self.first.forward(x))
  return x
)");
  torch::jit::Module encoder("Encoder");
  encoder.register_module("layer", layer);
  encoder.define("def forward(self, x):\n  return self.layer.forward(x)\n");
  torch::jit::Module root("Root");
  root.register_module("encoder", encoder);
  root.register_module("head", linear_module(2, 8));
  root.define(R"(
def forward(self, x, scale: float = 2.0):
  y = self.head.forward(self.encoder.forward(x)) * scale
  return (y, torch.arange(3, device=torch.device("cpu")))
)");
  root.eval();
  return root;
}

torch::jit::Module token_module(const std::string& shape, int64_t positions) {
  torch::jit::Module root("Root");
  const auto add_embedding = [&](const char* name, const at::Tensor& weight) {
    torch::jit::Module embedding("Embedding");
    embedding.register_parameter("weight", weight, false);
    root.register_module(name, embedding);
  };
  add_embedding("word_embeddings", at::arange(50, at::kFloat).unsqueeze(1));
  add_embedding("token_type_embeddings", at::zeros({2, 1}));
  add_embedding("position_embeddings", at::zeros({positions, 1}));
  root.define(R"(
def forward(self, input_ids, attention_mask, token_type_ids):
  ids = )" + shape +
              R"(
  at = torch.arange(ids.size(1)).expand_as(ids)
  x = torch.embedding(self.word_embeddings.weight, ids)
  x = x + torch.embedding(self.token_type_embeddings.weight, token_type_ids)
  x = (x + torch.embedding(self.position_embeddings.weight, at)).squeeze(-1)
  start = x.masked_fill(attention_mask == 0, -1000.0)
  return (start, start + 1.0)
)");
  root.eval();
  return root;
}

std::map<std::string, c10::IValue> pack_all(const InlinedModel& model) {
  std::map<std::string, c10::IValue> packed;
  for (const LinearLayer& linear : model.linears()) {
    packed.emplace(linear.name, PackedWeight::pack(linear.weight, linear.name));
  }
  return packed;
}

}  // namespace prune2to4
