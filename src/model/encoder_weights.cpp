// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/encoder_weights.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <map>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

std::string layer_name(const AffineNames& names) { return names.weight.substr(0, names.weight.rfind('.')); }

// "a.query", "a.key" and "a.value" become "a.query+key+value".
std::string joined_name(const std::vector<LinearWeights>& parts) {
  std::string name = parts.front().name;
  for (size_t i = 1; i < parts.size(); ++i) {
    name += "+" + parts[i].name.substr(parts[i].name.rfind('.') + 1);
  }
  return name;
}

// Row after row, as values and positions lie.
c10::intrusive_ptr<PackedWeight> joined_packed(const std::vector<LinearWeights>& parts,
                                               const std::string& name) {
  std::vector<at::Tensor> values;
  std::vector<at::Tensor> positions;
  int64_t rows = 0;
  for (const LinearWeights& part : parts) {
    const PackedWeight::State state = part.packed->state();
    values.push_back(std::get<3>(state));
    positions.push_back(std::get<4>(state));
    rows += part.packed->rows();
  }
  return c10::make_intrusive<PackedWeight>(PackedWeight::State{PackedWeight::kVersion,
                                                               name,
                                                               {rows, parts.front().packed->cols()},
                                                               at::cat(values),
                                                               at::cat(positions)});
}

class Lifter {
 public:
  Lifter(const torch::jit::Module& module, const EncoderSpec& spec)
      : spec_(spec), packed_(packed_weights(module)) {
    for (const auto& parameter : module.named_parameters()) {
      tensors_.emplace(parameter.name, parameter.value.detach());
    }
    options_ = tensors_.at(spec.word_embedding).options();
  }

  EncoderWeights lift() const {
    EncoderWeights weights;
    weights.words = tensor(spec_.word_embedding);
    weights.positions = tensor(spec_.position_embedding);
    if (!spec_.segment_embedding.empty()) weights.segments = tensor(spec_.segment_embedding);
    weights.embedding_norm = norm(spec_.embedding_norm);
    for (const EncoderLayerNames& layer : spec_.layers) {
      weights.layers.push_back({joined({linear(layer.query), linear(layer.key), linear(layer.value)}),
                                linear(layer.attention_output), norm(layer.attention_norm),
                                linear(layer.intermediate), linear(layer.output), norm(layer.output_norm)});
    }
    weights.head = linear(spec_.head);
    weights.head.dense = dense(weights.head);
    weights.head.packed.reset();
    return weights;
  }

 private:
  at::Tensor tensor(const std::string& name) const { return tensors_.at(name).to(options_).contiguous(); }

  NormWeights norm(const AffineNames& names) const {
    return {tensor(names.weight).to(at::kFloat), tensor(names.bias).to(at::kFloat)};
  }

  LinearWeights linear(const AffineNames& names) const {
    LinearWeights result{layer_name(names), {}, {}, tensor(names.bias)};
    if (const auto packed = packed_.find(names.weight); packed != packed_.end()) {
      result.packed = packed->second;
    } else {
      result.dense = tensor(names.weight);
    }
    return result;
  }

  at::Tensor dense(const LinearWeights& layer) const {
    return layer.packed ? layer.packed->unpack().to(options_) : layer.dense;
  }

  LinearWeights joined(const std::vector<LinearWeights>& parts) const {
    LinearWeights result{joined_name(parts), {}, {}, {}};
    std::vector<at::Tensor> biases;
    for (const LinearWeights& part : parts) biases.push_back(part.bias);
    result.bias = at::cat(biases);
    const bool all_packed = std::all_of(parts.begin(), parts.end(), [&](const LinearWeights& part) {
      return part.packed && part.packed->scalar_type() == parts.front().packed->scalar_type();
    });
    if (all_packed) {
      result.packed = joined_packed(parts, result.name);
      return result;
    }
    std::vector<at::Tensor> weights;
    for (const LinearWeights& part : parts) weights.push_back(dense(part));
    result.dense = at::cat(weights);
    return result;
  }

  const EncoderSpec& spec_;
  std::map<std::string, c10::intrusive_ptr<PackedWeight>> packed_;
  std::map<std::string, at::Tensor> tensors_;
  at::TensorOptions options_;
};

}  // namespace

EncoderWeights lift_weights(const torch::jit::Module& module, const EncoderSpec& spec) {
  return Lifter(module, spec).lift();
}

}  // namespace prune2to4
