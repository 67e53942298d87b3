// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <vector>

namespace prune2to4 {

// Sequences of a text model, padded to one length: int64 [batch, length] on the CPU.
struct TextBatch {
  at::Tensor input_ids;
  at::Tensor attention_mask;  // 1 at tokens, 0 at padding
  at::Tensor token_type_ids;
};

// What `forward` asks for, in its order, on `device`, by input_roles() (input_roles.h), which reads the whole
// graph: for a model that runs often, keep the roles. Empty when it has none.
std::vector<c10::IValue> forward_inputs(const torch::jit::Module& model, const TextBatch& batch,
                                        at::Device device);

// Every tensor in what `forward` returned, through tuples, lists and dictionaries, in order.
std::vector<at::Tensor> output_tensors(const c10::IValue& output);

// What the embeddings of `forward` can look up; 0: not known.
struct TextLimits {
  int64_t vocabulary = 0;  // token ids are below it
  int64_t segments = 0;    // token type ids are below it
  int64_t positions =
      0;  // tokens of the longest sequence; RoBERTa's positions begin behind its padding index
};
TextLimits text_limits(const torch::jit::Module& model);

}  // namespace prune2to4
