// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/encoder.h"
#include "runtime/engine/encoder_engine.h"

namespace prune2to4 {

// Where what a graph computes parts from a BERT encoder with its parameters, for a message: ", from the layer
// bert.encoder.layer.1 on; the graph has aten::relu (modeling_bert.py:320), where a BERT has aten::gelu". The
// graph's hidden states for `trial` are held against those of encoders with fewer layers; `limit`: as for
// logits. Empty where neither finds anything.
std::string engine_difference(const torch::jit::Module& module, const EncoderSpec& spec,
                              const Reference& reference, const TextBatch& trial, double limit);

}  // namespace prune2to4
