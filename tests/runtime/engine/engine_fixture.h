// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/runner.h"

namespace prune2to4 {

enum class Packed { kNone, kSome, kAll };

// One of the traced models with its layers 2:4, and some or all of them packed.
torch::jit::Module pruned(const std::string& name, Packed packed, at::ScalarType dtype = at::kFloat,
                          at::Device device = at::kCPU);

// Sequences of different lengths, the first the longest, with random ids; padding as the family has it.
TextBatch random_batch(const std::string& name, const Runner& runner, int64_t rows, int64_t width);

// Largest difference at real tokens, relative to the largest logit.
double difference(const SpanLogits& a, const SpanLogits& b, const at::Tensor& mask);

}  // namespace prune2to4
