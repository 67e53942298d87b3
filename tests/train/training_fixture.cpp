// SPDX-License-Identifier: Apache-2.0
#include "train/training_fixture.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/temporary_folder.h"
#include "prune2to4/module_parameters.h"

namespace prune2to4 {

SquadFile marked_squad_file(int64_t windows, int64_t width) {
  constexpr int64_t kShortest = 6;
  const auto rows = static_cast<uint64_t>(windows);
  const auto columns = static_cast<uint64_t>(width);
  SquadFile file = small_squad_file();
  file.metadata["squad_version"] = "1.1";
  file.metadata["max_length"] = std::to_string(width);
  file.tensors = {{"end", "I32", {rows}, ""},
                  {"example", "I32", {rows}, ""},
                  {"input_ids", "I32", {rows, columns}, ""},
                  {"length", "I32", {rows}, ""},
                  {"offsets", "I32", {rows, columns, 2}, ""},
                  {"start", "I32", {rows}, ""},
                  {"examples", "U8", {0}, ""},
                  {"token_type_ids", "U8", {rows, columns}, ""}};
  uint32_t random = 12345;
  const auto below = [&](int64_t limit) {
    random = random * 1664525U + 1013904223U;
    return static_cast<int32_t>((random >> 8U) % static_cast<uint32_t>(limit));
  };
  std::string examples;
  for (int32_t window = 0; window < windows; ++window) {
    const int32_t length = static_cast<int32_t>(kShortest) + below(width - kShortest + 1);
    const int32_t answer = 3 + below(length - 4);
    for (int32_t i = 0; i < width; ++i) {
      const bool context = i >= 3 && i < length - 1;
      int32_t id = i >= length ? 0 : i == 0 ? 1 : i == 1 ? 4 + below(10) : 2;
      if (context) id = i == answer ? 3 : 14 + below(50);
      file.tensor("input_ids").append<int32_t>({id});
      file.tensor("token_type_ids").append<uint8_t>({static_cast<uint8_t>(i >= 3 && i < length ? 1 : 0)});
      file.tensor("offsets").append<int32_t>({context ? i - 3 : -1, context ? i - 2 : -1});
    }
    file.tensor("length").append<int32_t>({length});
    file.tensor("example").append<int32_t>({window});
    file.tensor("start").append<int32_t>({answer});
    file.tensor("end").append<int32_t>({answer});
    examples += (window == 0 ? "" : ",") + std::string(R"({"id": "q)") + std::to_string(window) +
                R"(", "question": "Which?", "context": 0, "answers": ["a"]})";
  }
  file.set_examples(R"({"contexts": [")" + std::string(static_cast<size_t>(width), 'a') +
                    R"("], "examples": [)" + examples + "]}");
  return file;
}

TokenizedSquad read_squad(const SquadFile& file) {
  const TemporaryFolder folder;
  write_bytes(folder / "squad.safetensors", file.bytes());
  return TokenizedSquad::read(folder / "squad.safetensors");
}

TokenizedSquad marked_squad(int64_t windows, int64_t width) {
  return read_squad(marked_squad_file(windows, width));
}

torch::jit::Module unlike_encoders() {
  torch::jit::Module module = traced_model("bert_sdpa_tf4");
  const auto graph = module.get_method("forward").graph();
  for (auto each = graph->nodes().begin(); each != graph->nodes().end();) {
    torch::jit::Node* node = *each++;
    if (node->kind() != c10::aten::gelu) continue;
    torch::jit::Node* relu = graph->create(c10::aten::relu, {node->input(0)})->insertBefore(node);
    relu->output()->setType(node->output()->type());
    node->output()->replaceAllUsesWith(relu->output());
    node->destroy();
  }
  return module;
}

std::vector<PrunedWeight> encoder_weights(const torch::jit::Module& module) {
  std::vector<PrunedWeight> pruned;
  for (const NamedTensor& each : forward_parameters(module)) {
    if (each.name.find("layer.") != std::string::npos && each.tensor.dim() == 2)
      pruned.push_back({each.name, {}});
  }
  return pruned;
}

Recipe small_recipe(double epochs) {
  Recipe recipe;
  recipe.epochs = epochs;
  recipe.batch_size = 4;
  recipe.learning_rate = 2e-3;
  recipe.warmup = 0;
  recipe.dropout = 0;
  recipe.distill_weight = 0;
  return recipe;
}

at::Tensor flat_parameters(const torch::jit::Module& module) {
  std::vector<at::Tensor> parts;
  for (const NamedTensor& each : forward_parameters(module)) parts.push_back(each.tensor.detach().flatten());
  return at::cat(parts).clone();
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

double largest_difference(const torch::jit::Module& a, const torch::jit::Module& b) {
  const auto mine = forward_parameters(a);
  const auto others = forward_parameters(b);
  double largest = 0;
  for (size_t i = 0; i < mine.size(); ++i) {
    const std::string& name = mine[i].name;
    if (name.ends_with("key.bias") || name.ends_with("qa_outputs.bias") ||
        name.ends_with("layer.1.output.LayerNorm.bias"))
      continue;
    largest = std::max(largest, relative_difference(mine[i].tensor.detach(), others[i].tensor.detach()));
  }
  return largest;
}

int64_t broken_groups(const torch::jit::Module& module, const std::vector<PrunedWeight>& pruned) {
  int64_t broken = 0;
  for (const NamedTensor& each : forward_parameters(module)) {
    for (const PrunedWeight& weight : pruned) {
      if (weight.name != each.name) continue;
      const at::Tensor zero = each.tensor.detach().contiguous().view(at::kInt).eq(0);
      broken += zero.view({-1, 4}).sum(1).ne(2).sum().item<int64_t>();
    }
  }
  return broken;
}

}  // namespace prune2to4
