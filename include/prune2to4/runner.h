// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "prune2to4/text_batch.h"

namespace prune2to4 {

// Floating [batch, length]: one logit a token.
struct SpanLogits {
  at::Tensor start;
  at::Tensor end;
};

// Start and end logits among what `forward` returned: the first two [batch, length], or one [batch, length,
// 2].
std::optional<SpanLogits> find_logits(const c10::IValue& output, at::IntArrayRef shape);

// A dense or sparse question-answering model, ready to run on a device.
class Runner {
 public:
  // `name` stands in messages. Runs two small batches to learn which shapes `forward` takes.
  // Throws Error: kModel when it takes none, or gives no two tensors [batch, length].
  Runner(std::string name, torch::jit::Module model, at::Device device);

  const std::string& name() const { return name_; }
  at::Device device() const { return device_; }
  const TextLimits& limits() const { return limits_; }
  // What a trace wired in: then every batch must have just so many sequences, or tokens; 0: any.
  int64_t fixed_batch() const { return fixed_batch_; }
  int64_t fixed_length() const { return fixed_length_; }

  // Float32 and contiguous on the CPU. Thread-safe. Throws Error: kModel when forward fails, kData for ids
  // that the model cannot look up, kDevice when memory ends.
  SpanLogits run(const TextBatch& batch);

 private:
  SpanLogits forward(const TextBatch& batch);
  bool accepts(int64_t batch, int64_t length);
  void learn_shapes();

  std::string name_;
  torch::jit::Module model_;
  at::Device device_;
  TextLimits limits_;
  int64_t fixed_batch_ = 0;
  int64_t fixed_length_ = 0;
};

// Verifies, loads and moves a model; its name is the file's. `sha256` receives the file's hash.
Runner load_runner(const std::filesystem::path& path, at::Device device, bool trust_model,
                   std::string& sha256);

}  // namespace prune2to4
