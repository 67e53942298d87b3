// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "prune2to4/cuda_backend.h"
#include "prune2to4/encoder_weights.h"
#include "prune2to4/fused_linear.h"
#include "prune2to4/layer_chain.h"
#include "prune2to4/runner.h"
#include "runtime/engine/norm_layers.h"
#include "runtime/engine/packed_text.h"

namespace prune2to4 {

// The forward pass of a BERT encoder with a head for spans, as a loop over fused pieces. On a GPU in fp16 and
// bf16 they are the CUDA part's kernels, where it has them, elsewhere LibTorch's operators. Thread-safe.
class EncoderPass {
 public:
  EncoderPass(const EncoderSpec& spec, EncoderWeights weights);

  // `text` lies on the weights' device; `logits` is fp32 [B * W + 1, 2] there, start and end by slot, and
  // gets kNoLogit where no token is. Waits for nothing, and allocates nothing that outlives it, but for
  // what threads keep for the next pass.
  void run(const PackedText& text, at::Tensor& logits) const;

  at::TensorOptions options() const { return tables_.words.options(); }
  PackRules rules() const;
  std::vector<LayerKernel> kernels(int64_t tokens) const;
  void set_heads(int64_t heads) { spec_.heads = heads; }

 private:
  struct Layer {
    FusedLinear qkv;
    FusedLinear attention_output;
    NormWeights attention_norm;
    FusedLinear intermediate;
    FusedLinear output;
    NormWeights output_norm;
  };

  at::Tensor embed(const PackedText& text) const;
  at::Tensor attend(const at::Tensor& qkv, const PackedSequences& sequences) const;
  // Whether the products of so many tokens take the norms over.
  bool takes_norms(int64_t tokens) const;
  // What the layers make of the embedding.
  at::Tensor encode(at::Tensor x, const PackedSequences& sequences) const;
  // The same by the CUDA part's kernels, before the last norm: of the two's sum; the second may be undefined.
  std::pair<at::Tensor, at::Tensor> encode_fused(at::Tensor x, const PackedSequences& sequences) const;
  // What a layer makes of its input x and what its attention gave.
  at::Tensor finish(const Layer& layer, const at::Tensor& attended, const at::Tensor& x) const;
  bool takes_chain(const at::Tensor& x) const;
  // The norm of linear(x) + residual.
  at::Tensor add_norm(const FusedLinear& linear, const at::Tensor& x, const at::Tensor& residual,
                      const NormWeights& norm) const;
  at::Tensor norm(const at::Tensor& x, const NormWeights& norm) const;

  EncoderSpec spec_;
  EmbeddingTables tables_;
  std::optional<NormLayers> norm_layers_;
  std::optional<LayerChain> chain_;
  std::vector<Layer> layers_;
  SpanHead head_;
  bool fused_;
};

}  // namespace prune2to4
