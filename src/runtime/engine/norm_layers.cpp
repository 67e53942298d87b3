// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/norm_layers.h"

#include <algorithm>

namespace prune2to4 {

bool NormLayers::can_run(const std::vector<EncoderLayerWeights>& layers) {
  const auto takes_norms = [](const LinearWeights& linear) {
    return linear.packed &&
           products_take_norms(*linear.packed, linear.bias.device(), linear.bias.scalar_type());
  };
  return std::all_of(layers.begin(), layers.end(), [&](const EncoderLayerWeights& layer) {
    return takes_norms(layer.qkv) && takes_norms(layer.attention_output) && takes_norms(layer.intermediate) &&
           takes_norms(layer.output);
  });
}

NormLayers::NormLayers(const std::vector<EncoderLayerWeights>& layers, double epsilon) {
  LayerNorm before{{}, {}, epsilon};
  layers_.reserve(layers.size());
  for (const EncoderLayerWeights& layer : layers) {
    const LayerNorm between{layer.attention_norm.weight, layer.attention_norm.bias, epsilon};
    layers_.push_back({LinearOfNorm(*layer.qkv.packed, layer.qkv.bias, before),
                       LinearPlusNorm(*layer.attention_output.packed, layer.attention_output.bias, before),
                       LinearOfNorm(*layer.intermediate.packed, layer.intermediate.bias, between),
                       LinearPlusNorm(*layer.output.packed, layer.output.bias, between)});
    before = {layer.output_norm.weight, layer.output_norm.bias, epsilon};
  }
}

at::Tensor NormLayers::run(const at::Tensor& x,
                           const std::function<at::Tensor(const at::Tensor&)>& attend) const {
  HiddenRows h{x, {}};
  for (const Layer& layer : layers_) {
    h = layer.attention_output.run(attend(layer.qkv.run(h, Activation::kNone)), h);
    h = layer.output.run(layer.intermediate.run(h, Activation::kGelu), h);
  }
  return h.rows;
}

void NormLayers::for_each_kernel(
    int64_t tokens, const std::function<void(const std::string&, const std::string&)>& add) const {
  for (const Layer& layer : layers_) {
    add(layer.qkv.name(), layer.qkv.kernel(tokens, Activation::kNone));
    add(layer.attention_output.name(), layer.attention_output.kernel(tokens));
    add(layer.intermediate.name(), layer.intermediate.kernel(tokens, Activation::kGelu));
    add(layer.output.name(), layer.output.kernel(tokens));
  }
}

}  // namespace prune2to4
