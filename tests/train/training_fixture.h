// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/squad_file.h"
#include "model/traced_model.h"
#include "prune2to4/train.h"

namespace prune2to4 {

// Questions in windows of 6 to `width` tokens, one each. Ids are below 64; the answer is the one token with
// id 3.
SquadFile marked_squad_file(int64_t windows, int64_t width = 14);
TokenizedSquad marked_squad(int64_t windows, int64_t width = 14);
TokenizedSquad read_squad(const SquadFile& file);

// "bert_sdpa_tf4" with relu in the place of gelu: BERT by its names and shapes alone.
torch::jit::Module unlike_encoders();

// All weights of the encoder's linear layers, 2:4.
std::vector<PrunedWeight> encoder_weights(const torch::jit::Module& module);

// Batches of 4, a rate for the small models, no dropout, no warm-up, no teacher.
Recipe small_recipe(double epochs);

// Values of all trained parameters, one behind the other. [elements]
at::Tensor flat_parameters(const torch::jit::Module& module);

// |a - b| / |b|, as norms.
double relative_difference(const at::Tensor& a, const at::Tensor& b);

// The same, the largest of all parameters but those that move all logits alike: their gradient is nothing but
// rounding.
double largest_difference(const torch::jit::Module& a, const torch::jit::Module& b);

// Groups of four of the pruned weights that do not hold two zeros, as bits +0.0.
int64_t broken_groups(const torch::jit::Module& module, const std::vector<PrunedWeight>& pruned);

}  // namespace prune2to4
