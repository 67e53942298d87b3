// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/encoder.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <array>
#include <set>

#include "prune2to4/graph_walk.h"
#include "prune2to4/module_parameters.h"

namespace prune2to4 {
namespace {

using torch::jit::Node;

// How a family of models names what a layer has, behind "PREFIX.N.".
struct Family {
  const char* layers;                // between the model's prefix and the layer's number
  bool attention_dropout;            // as in EncoderSpec
  std::array<const char*, 8> parts;  // in the order of EncoderLayerNames
};
constexpr std::array<Family, 2> kFamilies{{
    {"encoder.layer.",
     true,
     {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
      "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"}},
    {"transformer.layer.",
     false,
     {"attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm",
      "ffn.lin1", "ffn.lin2", "output_layer_norm"}},
}};

using Shapes = std::map<std::string, std::vector<int64_t>>;  // by name

class Finder {
 public:
  Finder(Shapes shapes, std::string& reason) : shapes_(std::move(shapes)), reason_(reason) {}

  std::optional<EncoderSpec> find() {
    const std::string words = name_ending("embeddings.word_embeddings.weight");
    if (words.empty()) return refuse("it has no embeddings.word_embeddings");
    prefix_ = words.substr(0, words.size() - std::string("embeddings.word_embeddings.weight").size());
    EncoderSpec spec;
    spec.word_embedding = words;
    spec.width = shapes_.at(words).back();
    spec.position_embedding = prefix_ + "embeddings.position_embeddings.weight";
    spec.segment_embedding = prefix_ + "embeddings.token_type_embeddings.weight";
    if (!shapes_.contains(spec.segment_embedding)) spec.segment_embedding.clear();
    spec.embedding_norm = affine(prefix_ + "embeddings.LayerNorm");
    if (!shapes_.contains(spec.position_embedding))
      return refuse("its positions are not looked up in an embedding");
    for (const Family& family : kFamilies) find_layers(family, spec);
    if (spec.layers.empty()) return refuse("its layers are named in no known way");
    const std::string head = name_ending("qa_outputs.weight");
    if (head.empty()) return refuse("it has no linear layer qa_outputs");
    spec.head = affine(head.substr(0, head.size() - std::string(".weight").size()));
    if (!missing_.empty()) return refuse("it has no parameter " + missing_);
    spec.inner = shapes_.at(spec.layers.front().intermediate.weight).front();
    return fits(spec) ? std::optional(spec)
                      : refuse("its parameters' shapes are not those of a BERT encoder");
  }

 private:
  std::nullopt_t refuse(const std::string& why) {
    reason_ = why;
    return std::nullopt;
  }

  std::string name_ending(const std::string& end) const {
    for (const auto& [name, shape] : shapes_) {
      if (name == end || name.ends_with("." + end)) return name;
    }
    return "";
  }

  AffineNames affine(const std::string& name) {
    AffineNames names{name + ".weight", name + ".bias"};
    for (const std::string& each : {names.weight, names.bias}) {
      if (!shapes_.contains(each) && missing_.empty()) missing_ = each;
    }
    return names;
  }

  void find_layers(const Family& family, EncoderSpec& spec) {
    for (size_t layer = 0;; ++layer) {
      const std::string stem = prefix_ + family.layers + std::to_string(layer) + ".";
      if (!shapes_.contains(stem + family.parts[0] + ".weight")) return;
      std::array<AffineNames, 8> parts;
      for (size_t i = 0; i < parts.size(); ++i) parts[i] = affine(stem + family.parts[i]);
      spec.attention_dropout = family.attention_dropout;
      spec.layers.push_back({parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]});
    }
  }

  bool has_shape(const AffineNames& names, int64_t rows, int64_t cols) const {
    return shapes_.at(names.weight) == std::vector{rows, cols} && shapes_.at(names.bias) == std::vector{rows};
  }

  bool fits(const EncoderSpec& spec) const {
    const int64_t width = spec.width;
    const auto norm = [&](const AffineNames& names) {
      return shapes_.at(names.weight) == std::vector{width} && shapes_.at(names.bias) == std::vector{width};
    };
    bool good = has_shape(spec.head, 2, width) && norm(spec.embedding_norm);
    for (const std::string& table : {spec.position_embedding, spec.segment_embedding}) {
      good = good && (table.empty() || shapes_.at(table).back() == width);
    }
    for (const EncoderLayerNames& layer : spec.layers) {
      const int64_t inner = shapes_.at(layer.intermediate.weight).front();
      for (const auto* part : {&layer.query, &layer.key, &layer.value, &layer.attention_output}) {
        good = good && has_shape(*part, width, width);
      }
      good = good && has_shape(layer.intermediate, inner, width) && has_shape(layer.output, width, inner) &&
             norm(layer.attention_norm) && norm(layer.output_norm);
    }
    return good;
  }

  Shapes shapes_;
  std::string& reason_;
  std::string prefix_;
  std::string missing_;
};

// The epsilon is that of the first layer normalization; RoBERTa's positions start behind the padding index.
void read_constants(const torch::jit::Module& module, EncoderSpec& spec) {
  const auto graph = inlined_forward(module);
  const auto names = tensor_names(module);
  bool epsilon_known = false;
  for_each_node(graph->block(), [&](Node* node) {
    if (node->kind() == c10::aten::layer_norm && !epsilon_known) {
      if (const auto epsilon = torch::jit::constant_as<double>(node->input(4))) {
        spec.epsilon = *epsilon;
        epsilon_known = true;
      }
    }
    if (node->kind() != c10::aten::embedding) return;
    const auto table = read_attribute(node->input(0), module);
    if (!table || names.at(*table) != spec.position_embedding) return;
    const auto padding = torch::jit::constant_as<int64_t>(node->input(2));
    if (padding && *padding >= 0) spec.position_offset = *padding + 1;
  });
}

}  // namespace

std::optional<EncoderSpec> find_encoder(const torch::jit::Module& module, std::string& reason, bool packed) {
  Shapes shapes;
  for (const NamedTensor& parameter : forward_parameters(module)) {
    shapes.emplace(parameter.name, parameter.tensor.sizes().vec());
  }
  if (packed) {
    for (const auto& [name, weight] : packed_weights(module)) {
      shapes.emplace(name, std::vector{weight->rows(), weight->cols()});
    }
  }
  auto spec = Finder(std::move(shapes), reason).find();
  if (!spec) return spec;
  const std::vector<int64_t> heads = possible_heads(module, spec->width);
  if (heads.empty()) {
    reason = "its number of attention heads is not in its graph";
    return std::nullopt;
  }
  spec->heads = heads.front();
  read_constants(module, *spec);
  return spec;
}

std::vector<int64_t> possible_heads(const torch::jit::Module& module, int64_t width) {
  const std::set<int64_t> constants = integer_constants(module);
  // A view's shape names the heads, or the width of one, or both; transformers' are mostly 64 or 32 wide.
  std::set<int64_t> possible;
  for (const int64_t each : constants) {
    if (each <= 0 || each > width || width % each != 0) continue;
    possible.insert(each);
    possible.insert(width / each);
  }
  std::vector<int64_t> heads(possible.begin(), possible.end());
  const auto likely = [&](int64_t each) {
    const int64_t head_width = width / each;
    return (head_width == 64 ? 0 : head_width == 32 ? 1 : 2) + (constants.contains(head_width) ? 0 : 3);
  };
  std::stable_sort(heads.begin(), heads.end(), [&](int64_t a, int64_t b) { return likely(a) < likely(b); });
  return heads;
}

}  // namespace prune2to4
