// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/text_batch.h"

namespace prune2to4 {

// What an argument of `forward` is to a text model.
enum class InputRole {
  kInputIds,       // rows of the word embedding
  kAttentionMask,  // 1 at tokens, 0 at padding
  kTokenTypeIds,   // rows of the token type embedding
  kPositionIds,    // rows of the position embedding
  kDefault,        // left to its default value
};

// The arguments of `forward` behind `self`, in order.
struct InputRoles {
  std::vector<InputRole> roles;
  int64_t first_position = 0;  // of the first token: RoBERTa's positions begin behind its padding index

  bool has(InputRole role) const;
};

// By what each argument is used for, whatever its name: ids index an embedding, by whose name they are told
// apart, and a mask is what indexes none. Where the graph does not tell, by the names that transformers
// gives. None when an argument without a default is nothing of the kind, which `reason` names.
std::optional<InputRoles> input_roles(const torch::jit::Module& module, std::string& reason);

// A batch as `forward` takes it: int64 tensors on `device`, and default values.
std::vector<c10::IValue> forward_inputs(const torch::jit::Module& module, const InputRoles& roles,
                                        const TextBatch& batch, at::Device device);

}  // namespace prune2to4
