// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/engine_difference.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/record_function.h>
#include <torch/csrc/jit/ir/constants.h>

#include <filesystem>
#include <set>

#include "prune2to4/graph_walk.h"
#include "prune2to4/module_parameters.h"

namespace prune2to4 {
namespace {

using torch::jit::Node;

// The results of every aten::layer_norm that this thread calls while one lives. A callback of LibTorch's is a
// plain function.
thread_local std::vector<at::Tensor>* norms_seen = nullptr;

class NormObserver {
 public:
  NormObserver()
      : handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback(begin, end).needsOutputs(true).scopes({at::RecordScope::FUNCTION}))) {
    norms_seen = &norms_;
  }
  ~NormObserver() {
    norms_seen = nullptr;
    at::removeCallback(handle_);
  }
  NormObserver(const NormObserver&) = delete;
  NormObserver& operator=(const NormObserver&) = delete;

  const std::vector<at::Tensor>& norms() const { return norms_; }

 private:
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) { return nullptr; }
  static void end(const at::RecordFunction& call, at::ObserverContext*) {
    if (norms_seen == nullptr || std::string_view(call.name()) != "aten::layer_norm") return;
    for (const c10::IValue& output : call.outputs()) {
      if (output.isTensor()) norms_seen->push_back(output.toTensor());
    }
  }

  std::vector<at::Tensor> norms_;
  at::CallbackHandle handle_;
};

// "modeling_bert.py:320", or the operator's scope; empty where the archive holds neither.
std::string place_of(const Node* node) {
  if (const auto place = node->sourceRange().file_line_col()) {
    const auto& [file, line, column] = *place;
    if (!file.empty())
      return " (" + std::filesystem::path(file).filename().string() + ":" + std::to_string(line) + ")";
  }
  return node->scopeName().empty() ? "" : " (" + node->scopeName() + ")";
}

// What a node has that a BERT's has not; empty: nothing that is known here.
std::string unlike_bert(const Node* node, const torch::jit::Module& module, const EncoderSpec& spec) {
  static const std::set<std::string_view> kActivations{"aten::relu", "aten::silu", "aten::sigmoid",
                                                       "aten::tanh", "aten::elu",  "aten::hardswish",
                                                       "aten::mish", "aten::pow",  "aten::square"};
  const std::string kind = node->kind().toQualString();
  if (kActivations.contains(kind)) return kind + place_of(node) + ", where a BERT has aten::gelu";
  if (kind == "aten::gelu" && node->inputs().size() > 1) {
    const auto approximate = torch::jit::constant_as<std::string>(node->input(1));
    if (approximate && *approximate != "none")
      return kind + " by " + *approximate + place_of(node) + ", where a BERT has the exact one";
  }
  if (kind == "aten::layer_norm") {
    const auto epsilon = torch::jit::constant_as<double>(node->input(4));
    if (epsilon && *epsilon != spec.epsilon)
      return kind + " with another epsilon than the first" + place_of(node);
  }
  if (kind == "aten::embedding") {
    const auto table = read_attribute(node->input(0), module);
    const std::string name = table ? tensor_names(module).at(*table) : "";
    if (!name.empty() && name != spec.word_embedding && name != spec.position_embedding &&
        name != spec.segment_embedding)
      return kind + " of '" + name + "'" + place_of(node) + ", which a BERT has not";
  }
  return "";
}

std::string first_unlike(const torch::jit::Module& module, const EncoderSpec& spec) {
  const auto graph = inlined_forward(module);
  std::string found;
  for_each_node(graph->block(), [&](Node* node) {
    if (found.empty()) found = unlike_bert(node, module, spec);
  });
  return found;
}

// Whether an encoder of the first `layers` layers gives the graph's hidden state behind them, seen through
// the head.
bool agrees(const torch::jit::Module& module, EncoderSpec spec, size_t layers, const at::Tensor& hidden,
            const Reference& reference, const TextBatch& trial, double limit) {
  spec.layers.resize(layers);
  const EncoderWeights weights = lift_weights(module, spec);
  const at::Tensor expected =
      at::linear(hidden.to(at::kFloat), weights.head.dense.to(hidden.device(), at::kFloat),
                 weights.head.bias.to(hidden.device(), at::kFloat))
          .to(at::kCPU);
  EncoderEngine engine(std::make_shared<EncoderPass>(spec, weights), reference.roles,
                       /*remove_padding=*/true);
  const auto text = engine.pack(trial);
  return text && logit_difference(engine.run(*text), {expected.select(-1, 0), expected.select(-1, 1)},
                                  trial.attention_mask.to(at::kBool)) <= limit;
}

// "bert.encoder.layer.1" of "bert.encoder.layer.1.output.LayerNorm.weight".
std::string layer_name(const EncoderLayerNames& layer) {
  size_t end = 0;
  while (end < layer.query.weight.size() && layer.query.weight[end] == layer.output_norm.weight[end]) ++end;
  const std::string common = layer.query.weight.substr(0, end);
  return common.substr(0, common.rfind('.'));
}

// The first layer that gives something else; a search by halves, since all behind it do.
std::string first_layer(const torch::jit::Module& module, const EncoderSpec& spec, const Reference& reference,
                        const TextBatch& trial, double limit) {
  const NormObserver observer;
  reference.run(trial);
  const size_t layers = spec.layers.size();
  if (observer.norms().size() != 2 * layers + 1) {
    return "; the graph has " + std::to_string(observer.norms().size()) +
           " layer normalizations, where a BERT of " + std::to_string(layers) + " layers has " +
           std::to_string(2 * layers + 1);
  }
  size_t good = 0;
  size_t bad = layers + 1;
  while (bad - good > 1) {
    const size_t middle = (good + bad) / 2;
    (agrees(module, spec, middle, observer.norms()[2 * middle], reference, trial, limit) ? good : bad) =
        middle;
  }
  if (bad > layers) return ", in its head";
  return bad == 1 ? ", from its embeddings or its first layer (" + layer_name(spec.layers.front()) + ") on"
                  : ", from the layer " + layer_name(spec.layers[bad - 1]) + " on";
}

}  // namespace

std::string engine_difference(const torch::jit::Module& module, const EncoderSpec& spec,
                              const Reference& reference, const TextBatch& trial, double limit) {
  std::string text = first_layer(module, spec, reference, trial, limit);
  if (const std::string unlike = first_unlike(module, spec); !unlike.empty()) {
    text += "; the graph has " + unlike;
  }
  return text;
}

}  // namespace prune2to4
