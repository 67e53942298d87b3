// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "prune2to4/encoder_weights.h"
#include "prune2to4/norm_linear.h"

namespace prune2to4 {

// The layers of an encoder without a LayerNorm between them: the 2:4 products around each take it over, which
// saves reading and writing the activations once for every norm.
class NormLayers {
 public:
  // Whether the layers can be run so: every weight is packed, and of a shape and on a device with such
  // kernels.
  static bool can_run(const std::vector<EncoderLayerWeights>& layers);
  NormLayers(const std::vector<EncoderLayerWeights>& layers, double epsilon);

  // x [T, width] normed, as the embedding gives it; `attend` makes [T, width] of a layer's query, key and
  // value [T, 3 width]. The result [T, width] is yet to be normed by the last layer's LayerNorm.
  at::Tensor run(const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&)>& attend) const;

  // Calls `add` with each weight's name and the kernel that its product takes for so many tokens, in order.
  void for_each_kernel(int64_t tokens,
                       const std::function<void(const std::string&, const std::string&)>& add) const;

 private:
  struct Layer {
    LinearOfNorm qkv;
    LinearPlusNorm attention_output;
    LinearOfNorm intermediate;
    LinearPlusNorm output;
  };

  std::vector<Layer> layers_;
};

}  // namespace prune2to4
