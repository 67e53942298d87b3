// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/training_graph.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <sstream>

#include "model/small_models.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

// An encoder layer of width 8 over embeddings, as a rewritten model. Each text is Python between two steps of
// BERT.
struct Dropouts {
  std::string embeddings;
  std::string probabilities;
  std::string output;
};

torch::jit::Module encoder_with(const Dropouts& dropouts, const std::string& attention = "") {
  torch::jit::Module root("Root");
  root.register_parameter("words", at::randn({20, 8}), false);
  root.register_parameter("positions", at::randn({16, 8}), false);
  root.register_module("value", linear_module(8, 8));
  root.register_module("output", linear_module(8, 8));
  root.register_module("head", linear_module(2, 8));
  const std::string eager = R"(
  p = torch.matmul(x, x.transpose(1, 2)).softmax(-1)
)" + dropouts.probabilities +
                            R"(
  y = torch.matmul(p.to(x.dtype), v)
)";
  root.define(R"(
def forward(self, ids):
  x = torch.embedding(self.words, ids) + torch.embedding(self.positions, torch.arange(ids.size(1)).expand_as(ids))
  x = torch.layer_norm(x, [8])
)" + dropouts.embeddings +
              R"(
  v = torch.linear(x, self.value.weight, self.value.bias)
)" + (attention.empty() ? eager : attention) +
              R"(
  y = torch.linear(y, self.output.weight, self.output.bias)
)" + dropouts.output +
              R"(
  x = torch.layer_norm(x + y, [8])
  return torch.linear(x, self.head.weight, self.head.bias)
)");
  root.eval();
  return InlinedModel(root, false).rewrite({});
}

std::string graph_text(const torch::jit::Module& module) {
  return module.get_method("forward").graph()->toString();
}

at::Tensor run(torch::jit::Module& module) {
  const at::NoGradGuard no_gradients;
  return module.forward({at::arange(12).remainder(20).view({1, 12})}).toTensor();
}

// "hidden 0.2 0.3": kind, p recorded, p used.
std::vector<std::string> described(const std::vector<DropoutPlace>& places) {
  std::vector<std::string> all;
  for (const DropoutPlace& place : places) {
    std::ostringstream text;
    text << place.kind << ' ' << place.recorded << ' ' << place.used;
    all.push_back(text.str());
  }
  return all;
}

using Texts = std::vector<std::string>;

const Dropouts kTraced{"  x = torch.dropout(x, 0.2, False)", "  p = torch.dropout(p, 0.0, False)",
                       "  y = torch.dropout(y, 0.3, False)"};

}  // namespace

CATCH_TEST_CASE("dropout of a trace is turned on with its p, that of attention with the largest") {
  torch::jit::Module model = encoder_with(kTraced);
  CATCH_CHECK(described(enable_dropout(model, std::nullopt)) ==
              Texts{"hidden 0.2 0.2", "attention 0 0.3", "hidden 0.3 0.3"});
  CATCH_CHECK(!run(model).equal(run(model)));
  at::manual_seed(5);
  const at::Tensor first = run(model);
  at::manual_seed(5);
  CATCH_CHECK(run(model).equal(first));
}

CATCH_TEST_CASE("a given p is used at every place") {
  torch::jit::Module model = encoder_with(kTraced);
  CATCH_CHECK(described(enable_dropout(model, 0.5)) ==
              Texts{"hidden 0.2 0.5", "attention 0 0.5", "hidden 0.3 0.5"});
}

CATCH_TEST_CASE("a p of 0 leaves the graph as it is") {
  torch::jit::Module model = encoder_with(kTraced);
  const std::string before = graph_text(model);
  CATCH_CHECK(described(enable_dropout(model, 0.0)) ==
              Texts{"hidden 0.2 0", "attention 0 0", "hidden 0.3 0"});
  CATCH_CHECK(graph_text(model) == before);
  torch::jit::Module bare = encoder_with({});
  CATCH_CHECK(enable_dropout(bare, 0.0).size() == 3);
  CATCH_CHECK(run(bare).equal(run(bare)));
}

CATCH_TEST_CASE("turned on, dropout leaves 1 - p of the elements, scaled by 1 / (1 - p)") {
  torch::jit::Module root = linear_module(4, 4);
  root.define("def drop(self, x):\n  return torch.dropout(x, 0.0, False)\n");
  torch::jit::Module outer("Outer");
  outer.register_module("inner", root);
  outer.define("def forward(self, x):\n  return self.inner.drop(self.inner.forward(x) * 0.0 + 1.0)\n");
  torch::jit::Module model = InlinedModel(outer, false).rewrite({});
  CATCH_CHECK(described(enable_dropout(model, 0.25)) == Texts{"hidden 0 0.25"});
  at::manual_seed(0);
  const at::Tensor dropped = model.forward({at::randn({10000, 4})}).toTensor();
  const double kept = dropped.ne(0).sum().item<double>() / 40000;
  CATCH_CHECK(kept == Approx(0.75).margin(0.01));
  CATCH_CHECK(at::allclose(dropped.masked_select(dropped.ne(0)), at::full({1}, 1 / 0.75)));
}

CATCH_TEST_CASE("dropout that a script reads off `training` is turned on") {
  torch::jit::Module root("Root");
  root.register_module("head", linear_module(8, 8));
  root.register_attribute("training", c10::BoolType::get(), false);
  root.register_attribute("p", c10::FloatType::get(), 0.4);
  root.define(R"(
def forward(self, x):
  x = torch.dropout(torch.linear(x, self.head.weight, self.head.bias), 0.3, self.training)
  return torch.dropout(x, self.p, self.training)
)");
  torch::jit::Module model = InlinedModel(root, false).rewrite({});
  CATCH_CHECK(described(enable_dropout(model, std::nullopt)) == Texts{"hidden 0.3 0.3", "hidden 0 0.3"});
  const at::Tensor dropped = model.forward({at::ones({100, 8})}).toTensor();
  CATCH_CHECK(dropped.eq(0).sum().item<int64_t>() > 300);
}

CATCH_TEST_CASE("fused attention drops its probabilities") {
  const std::string fused =
      "  h = x.unsqueeze(1)\n"
      "  y = torch.scaled_dot_product_attention(h, h, v.unsqueeze(1)).squeeze(1)";
  torch::jit::Module model = encoder_with({"  x = torch.dropout(x, 0.2, False)", "", ""}, fused);
  CATCH_CHECK(described(enable_dropout(model, std::nullopt)) == Texts{"hidden 0.2 0.2", "attention 0 0.2"});
  torch::jit::Module bare = encoder_with({}, fused);
  CATCH_CHECK(described(enable_dropout(bare, 0.3)) ==
              Texts{"attention 0 0.3", "hidden 0 0.3", "hidden 0 0.3"});
}

CATCH_TEST_CASE("a graph without dropout gets it where BERT has it") {
  torch::jit::Module model = encoder_with({});
  CATCH_CHECK(run(model).equal(run(model)));
  torch::jit::Module training = encoder_with({});
  CATCH_CHECK(described(enable_dropout(training, std::nullopt)) ==
              Texts{"hidden 0 0.1", "attention 0 0.1", "hidden 0 0.1"});
  torch::jit::Module traced = encoder_with(kTraced);
  enable_dropout(traced, 0.1);
  torch::jit::Module bare = encoder_with({});
  enable_dropout(bare, 0.1);
  for (const auto& parameter : traced.named_parameters()) {
    const at::NoGradGuard no_gradients;
    for (const auto& same : bare.named_parameters()) {
      if (same.name == parameter.name) same.value.copy_(parameter.value);
    }
  }
  at::manual_seed(1);
  const at::Tensor expected = run(traced);
  at::manual_seed(1);
  CATCH_CHECK(run(bare).equal(expected));
}

CATCH_TEST_CASE("dropout that a graph records only in some places is not added to the others") {
  torch::jit::Module model = encoder_with({"  x = torch.dropout(x, 0.2, False)", "", ""});
  CATCH_CHECK(described(enable_dropout(model, std::nullopt)) == Texts{"hidden 0.2 0.2", "attention 0 0.2"});
}

}  // namespace prune2to4
