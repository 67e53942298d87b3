// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/encoder_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

#include <string_view>

namespace prune2to4 {
namespace {

// What a packed weight's name has more than its layer's.
constexpr std::string_view kWeight = ".weight";
// What the kernels for embeddings and normalization take.
constexpr int64_t kWidthMultiple = 8;
constexpr int64_t kWidest = 8192;
// Up to here a dense product can be faster than a 2:4 one, and there are none that take norms.
constexpr int64_t kFewTokens = 512;

FusedLinear fused(const LinearWeights& layer) {
  return layer.packed ? FusedLinear(layer.packed, layer.bias)
                      : FusedLinear(layer.name, layer.dense, layer.bias);
}

std::optional<LayerChain> chain_of(const std::vector<EncoderLayerWeights>& layers, double epsilon) {
  const auto packed = [](const LinearWeights& linear) { return PackedLinear{linear.packed, linear.bias}; };
  const auto norm = [&](const NormWeights& weights) {
    return LayerNorm{weights.weight, weights.bias, epsilon};
  };
  std::vector<ChainedLayer> chained;
  chained.reserve(layers.size());
  for (const EncoderLayerWeights& layer : layers) {
    chained.push_back({packed(layer.qkv), packed(layer.attention_output), norm(layer.attention_norm),
                       packed(layer.intermediate), packed(layer.output), norm(layer.output_norm)});
  }
  return LayerChain::make(chained);
}

bool takes_kernels(const at::Tensor& words) {
  const int64_t width = words.size(1);
  return words.is_cuda() && (words.scalar_type() == at::kHalf || words.scalar_type() == at::kBFloat16) &&
         width % kWidthMultiple == 0 && width <= kWidest && cuda_backend().has_kernels();
}

}  // namespace

EncoderPass::EncoderPass(const EncoderSpec& spec, EncoderWeights weights)
    : spec_(spec),
      tables_{weights.words,
              weights.positions,
              weights.segments,
              weights.embedding_norm.weight,
              weights.embedding_norm.bias,
              spec.epsilon},
      fused_(takes_kernels(weights.words)) {
  const NormWeights& last = weights.layers.back().output_norm;
  head_ = {last.weight, last.bias, spec.epsilon, weights.head.dense, weights.head.bias};
  if (fused_ && NormLayers::can_run(weights.layers)) norm_layers_.emplace(weights.layers, spec.epsilon);
  chain_ = chain_of(weights.layers, spec.epsilon);
  for (const EncoderLayerWeights& layer : weights.layers) {
    layers_.push_back({fused(layer.qkv), fused(layer.attention_output), layer.attention_norm,
                       fused(layer.intermediate), fused(layer.output), layer.output_norm});
  }
}

PackRules EncoderPass::rules() const {
  PackRules rules;
  rules.vocabulary = tables_.words.size(0);
  rules.segments = tables_.segments.defined() ? tables_.segments.size(0) : 0;
  rules.positions = tables_.positions.size(0) - spec_.position_offset;
  rules.position_offset = spec_.position_offset;
  return rules;
}

std::vector<LayerKernel> EncoderPass::kernels(int64_t tokens) const {
  std::vector<LayerKernel> kernels;
  const auto add_kernel = [&](std::string name, std::string kernel) {
    if (name.ends_with(kWeight)) name.resize(name.size() - kWeight.size());
    kernels.push_back({std::move(name), std::move(kernel)});
  };
  if (takes_norms(tokens)) {
    norm_layers_->for_each_kernel(tokens, add_kernel);
    return kernels;
  }
  const std::optional<std::string> chained = chain_ ? chain_->kernel(tokens) : std::nullopt;
  const auto add = [&](const FusedLinear& linear, const std::string& kernel) {
    add_kernel(linear.name(), chained.value_or(kernel));
  };
  const auto add_norm_kernel = [&](const FusedLinear& linear) {
    return fused_ ? linear.kernel(tokens, Activation::kNone) : linear.residual_kernel(tokens);
  };
  for (const Layer& layer : layers_) {
    add(layer.qkv, layer.qkv.kernel(tokens, Activation::kNone));
    add(layer.attention_output, add_norm_kernel(layer.attention_output));
    add(layer.intermediate, layer.intermediate.kernel(tokens, Activation::kGelu));
    add(layer.output, add_norm_kernel(layer.output));
  }
  return kernels;
}

void EncoderPass::run(const PackedText& text, at::Tensor& logits) const {
  if (!text.shape.uniform) logits.fill_(kNoLogit);  // else every row has one
  if (fused_) {
    const auto [x, residual] = encode_fused(embed(text), text.sequences());
    cuda_backend().span_logits(head_, x, residual, text.slots(), logits);
    return;
  }
  const at::Tensor x = encode(embed(text), text.sequences());
  logits.index_copy_(0, text.slots(), at::linear(x, head_.weight, head_.bias).to(at::kFloat));
}

at::Tensor EncoderPass::encode(at::Tensor x, const PackedSequences& sequences) const {
  const auto attention = [&](const at::Tensor& qkv) { return attend(qkv, sequences); };
  if (takes_chain(x)) return chain_->run(x, attention);
  for (const Layer& layer : layers_) x = finish(layer, attention(layer.qkv.run(x, Activation::kNone)), x);
  return x;
}

std::pair<at::Tensor, at::Tensor> EncoderPass::encode_fused(at::Tensor x,
                                                            const PackedSequences& sequences) const {
  const auto attention = [&](const at::Tensor& qkv) { return attend(qkv, sequences); };
  if (takes_norms(x.size(0))) return {norm_layers_->run(x, attention), at::Tensor()};
  const auto attended = [&](const Layer& layer) { return attention(layer.qkv.run(x, Activation::kNone)); };
  for (size_t i = 0; i + 1 < layers_.size(); ++i) x = finish(layers_[i], attended(layers_[i]), x);
  const Layer& last = layers_.back();
  at::Tensor y = add_norm(last.attention_output, attended(last), x, last.attention_norm);
  return {last.output.run(last.intermediate.run(y, Activation::kGelu), Activation::kNone), y};
}

at::Tensor EncoderPass::finish(const Layer& layer, const at::Tensor& attended, const at::Tensor& x) const {
  const at::Tensor y = add_norm(layer.attention_output, attended, x, layer.attention_norm);
  return add_norm(layer.output, layer.intermediate.run(y, Activation::kGelu), y, layer.output_norm);
}

bool EncoderPass::takes_chain(const at::Tensor& x) const {
  return chain_ && chain_->takes(x, [this](const at::Tensor& few) {
    const Layer& layer = layers_.front();
    layer.qkv.run(finish(layer, few, few), Activation::kNone);
  });
}

bool EncoderPass::takes_norms(int64_t tokens) const { return norm_layers_ && tokens > kFewTokens; }

at::Tensor EncoderPass::attend(const at::Tensor& qkv, const PackedSequences& sequences) const {
  return packed_attention(qkv.view({qkv.size(0), 3, spec_.heads, spec_.width / spec_.heads}), sequences, 0);
}

at::Tensor EncoderPass::embed(const PackedText& text) const {
  if (fused_) return cuda_backend().embed_norm(tables_, text.ids(), text.places(), text.types());
  at::Tensor x = at::embedding(tables_.words, text.ids()) + at::embedding(tables_.positions, text.places());
  if (tables_.segments.defined()) x = x + at::embedding(tables_.segments, text.types());
  return norm(x, {tables_.norm_weight, tables_.norm_bias});
}

at::Tensor EncoderPass::add_norm(const FusedLinear& linear, const at::Tensor& x, const at::Tensor& residual,
                                 const NormWeights& weights) const {
  if (!fused_) return norm(linear.run_residual(x, residual), weights);
  return cuda_backend().add_norm(linear.run(x, Activation::kNone), residual, weights.weight, weights.bias,
                                 spec_.epsilon);
}

// With statistics in fp32.
at::Tensor EncoderPass::norm(const at::Tensor& x, const NormWeights& weights) const {
  // The CPU's kernel takes bf16 with weights in fp32, and sums in fp32.
  if (x.is_cpu() && x.scalar_type() == at::kBFloat16) {
    return at::layer_norm(x, weights.weight.sizes(), weights.weight, weights.bias, spec_.epsilon);
  }
  return at::layer_norm(x.to(at::kFloat), weights.weight.sizes(), weights.weight, weights.bias, spec_.epsilon)
      .to(x.scalar_type());
}

}  // namespace prune2to4
