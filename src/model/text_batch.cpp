// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/text_batch.h"

#include <torch/csrc/jit/ir/constants.h>

#include "prune2to4/graph_walk.h"
#include "prune2to4/input_roles.h"

namespace prune2to4 {
namespace {

// aten::embedding(weight, indices, padding_idx, ...): rows behind the padding index.
int64_t positions(const torch::jit::Node* embedding, int64_t rows) {
  const auto padding = torch::jit::constant_as<int64_t>(embedding->input(2));
  return rows - (padding && *padding >= 0 ? *padding + 1 : 0);
}

void flatten(const c10::IValue& value, std::vector<at::Tensor>& tensors) {
  if (value.isTensor()) tensors.push_back(value.toTensor());
  if (value.isTuple())
    for (const auto& element : value.toTupleRef().elements()) flatten(element, tensors);
  if (value.isList())
    for (const c10::IValue& element : value.toListRef()) flatten(element, tensors);
  if (value.isGenericDict())
    for (const auto& entry : value.toGenericDict()) flatten(entry.value(), tensors);
}

}  // namespace

std::vector<c10::IValue> forward_inputs(const torch::jit::Module& model, const TextBatch& batch,
                                        at::Device device) {
  std::string reason;
  const auto roles = input_roles(model, reason);
  return roles ? forward_inputs(model, *roles, batch, device) : std::vector<c10::IValue>();
}

std::vector<at::Tensor> output_tensors(const c10::IValue& output) {
  std::vector<at::Tensor> tensors;
  flatten(output, tensors);
  return tensors;
}

TextLimits text_limits(const torch::jit::Module& model) {
  TextLimits limits;
  const auto graph = inlined_forward(model);
  const auto names = tensor_names(model);
  for_each_node(graph->block(), [&](torch::jit::Node* node) {
    if (node->kind() != c10::aten::embedding) return;
    const auto weight = read_attribute(node->input(0), model);
    if (!weight) return;
    const std::string& name = names.at(*weight);
    const int64_t rows = weight->first->getAttr(weight->second).toTensor().size(0);
    if (name.ends_with("word_embeddings.weight")) limits.vocabulary = rows;
    if (name.ends_with("token_type_embeddings.weight")) limits.segments = rows;
    if (name.ends_with("position_embeddings.weight")) limits.positions = positions(node, rows);
  });
  return limits;
}

}  // namespace prune2to4
