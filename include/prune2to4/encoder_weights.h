// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "prune2to4/encoder.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {

// A linear layer: dense or packed.
struct LinearWeights {
  std::string name;  // "bert.encoder.layer.0.output.dense"
  at::Tensor dense;  // [out, in]; undefined: packed
  c10::intrusive_ptr<PackedWeight> packed;
  at::Tensor bias;  // [out]
};

struct NormWeights {
  at::Tensor weight;  // fp32 [width]
  at::Tensor bias;
};

struct EncoderLayerWeights {
  LinearWeights qkv;  // query, key and value as one: [3 width, width]
  LinearWeights attention_output;
  NormWeights attention_norm;
  LinearWeights intermediate;
  LinearWeights output;
  NormWeights output_norm;
};

struct EncoderWeights {
  at::Tensor words;      // [vocabulary, width]
  at::Tensor positions;  // [positions, width]
  at::Tensor segments;   // [segments, width]; undefined: none
  NormWeights embedding_norm;
  std::vector<EncoderLayerWeights> layers;
  LinearWeights head;  // dense
};

// What `spec` names, on the device and in the dtype of the word embedding; where the module's tensors have
// them already, they are the module's own memory. Query, key and value become new memory, packed when all
// three are.
EncoderWeights lift_weights(const torch::jit::Module& module, const EncoderSpec& spec);

}  // namespace prune2to4
