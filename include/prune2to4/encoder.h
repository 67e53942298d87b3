// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace prune2to4 {

// Weight [out, in] and bias [out] of a linear layer, or of a layer normalization [width]; names of
// parameters.
struct AffineNames {
  std::string weight;
  std::string bias;
};

struct EncoderLayerNames {
  AffineNames query;
  AffineNames key;
  AffineNames value;
  AffineNames attention_output;
  AffineNames attention_norm;
  AffineNames intermediate;
  AffineNames output;
  AffineNames output_norm;
};

// A BERT encoder with a head for spans, found in a module: which parameters play which part, and what else
// its arithmetic needs. BERT, MiniLM, RoBERTa, ELECTRA and DistilBERT by transformers 4 and 5 have this form:
//
//   x = norm(word[id] + position[offset + i] + segment[type])
//   per layer: x = norm(x + output(attention(query(x), key(x), value(x)))); x = norm(x +
//   output(gelu(intermediate(x)))) logits = head(x): [tokens, 2]
struct EncoderSpec {
  std::string word_embedding;      // [vocabulary, width]
  std::string position_embedding;  // [positions, width]
  std::string segment_embedding;   // [segments, width]; empty: none
  AffineNames embedding_norm;
  std::vector<EncoderLayerNames> layers;
  AffineNames head;
  int64_t width = 0;
  int64_t inner = 0;  // of the feed-forward part, in the first layer
  int64_t heads = 0;
  int64_t position_offset = 0;    // of the first token's position: RoBERTa's padding index + 1
  double epsilon = 1e-12;         // of every layer normalization
  bool attention_dropout = true;  // whether dropout follows the attention's output layer: not in DistilBERT
};

// By the names that transformers gives, and the shapes. What the module computes is not proven by that: its
// caller compares outputs. `heads` is the likeliest number; `reason` says why there is none. With `packed`,
// the weights of linear layers may be packed ones.
std::optional<EncoderSpec> find_encoder(const torch::jit::Module& module, std::string& reason,
                                        bool packed = false);

// Numbers of heads that the graph's constants leave possible, the likeliest first.
std::vector<int64_t> possible_heads(const torch::jit::Module& module, int64_t width);

}  // namespace prune2to4
