// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>

#include "prune2to4/model.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {

// Module `Linear` with weight [out, in], random and already 2:4, and bias [out].
torch::jit::Module linear_module(int64_t out, int64_t in);

// forward(x: Tensor, scale: float = 2.0) over encoder.layer.{first, second} (a loop and a branch inside) and
// head.
torch::jit::Module encoder_module();

// What pack_layers() gives for all of the model's linears.
std::map<std::string, c10::IValue> pack_all(const InlinedModel& model);

// forward(input_ids, attention_mask, token_type_ids) of a vocabulary of 50, 2 segments, `positions`
// positions: the logits of a token are its id and its id + 1, in float32; of padding, -1000. `shape` is
// Python that may view the ids, as a trace that wired its shape in does.
torch::jit::Module token_module(const std::string& shape = "input_ids", int64_t positions = 64);

}  // namespace prune2to4
