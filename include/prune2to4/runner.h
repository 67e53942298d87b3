// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/input_roles.h"
#include "prune2to4/layer_kernel.h"
#include "prune2to4/text_batch.h"

namespace prune2to4 {

// Floating [batch, length]: one logit a token.
struct SpanLogits {
  at::Tensor start;
  at::Tensor end;
};

// A logit that a softmax gives no probability, and that no sum makes NaN: where no token is.
constexpr double kNoLogit = -1e9;

// The largest |logits - wanted| at `real` (bool [batch, length]) places, by the largest |wanted| there or 1.
// NaN where one is.
double logit_difference(const SpanLogits& logits, const SpanLogits& wanted, const at::Tensor& real);

// Start and end logits among what `forward` returned: the first two [batch, length], or one [batch, length,
// 2].
std::optional<SpanLogits> find_logits(const c10::IValue& output, at::IntArrayRef shape);

// A batch whose inputs lie on the device already, to be run again and again.
class PreparedBatch {
 public:
  virtual ~PreparedBatch() = default;
  // Queues one forward pass, and does not wait for a GPU.
  virtual void run() = 0;
  // What the last run() gave, fp32 [batch, length] on the CPU; waits for it.
  virtual SpanLogits logits() = 0;
};

// How a model is run.
struct RunnerOptions {
  bool engine = true;            // in bf16, on a GPU fp16, on the CPU fp32, where the model is recognised
  bool remove_padding = true;    // by the engine: only real tokens are computed
  bool engine_anywhere = false;  // in any dtype: for tests
};

// Runs what calls a model's graph; LibTorch's exceptions become Errors as Runner::run() throws them, in which
// `name` stands for the model.
void with_forward_errors(const std::string& name, const std::function<void()>& action);

class EncoderEngine;

// A dense or sparse question-answering model, ready to run on a device.
class Runner {
 public:
  // `name` stands in messages. Runs two small batches to learn which shapes `forward` takes.
  // Throws Error: kModel when it takes none, or gives no two tensors [batch, length].
  Runner(std::string name, torch::jit::Module model, at::Device device, const RunnerOptions& options = {});
  ~Runner();
  Runner(Runner&&) noexcept;

  const std::string& name() const { return name_; }
  at::Device device() const { return device_; }
  const TextLimits& limits() const { return limits_; }
  // What a trace wired in: then every batch must have just so many sequences, or tokens; 0: any. The engine
  // takes any.
  int64_t fixed_batch() const { return fixed_batch_; }
  int64_t fixed_length() const { return fixed_length_; }

  // Float32 and contiguous on the CPU. Thread-safe. Throws Error: kModel when forward fails, kData for ids
  // that the model cannot look up, kDevice when memory ends.
  SpanLogits run(const TextBatch& batch);

  // For repeated runs of one batch; throws as run() does. Not to outlive the runner.
  std::unique_ptr<PreparedBatch> prepare(const TextBatch& batch);
  // What runs the model: "encoder engine", or "interpreter" and, when the engine was asked for, why. A batch
  // whose mask has holes goes through the interpreter all the same.
  const std::string& engine() const { return engine_; }
  // Whether only real tokens are computed, but for such batches.
  bool removes_padding() const { return removes_padding_; }
  // By linear layer, for a batch of so many tokens that are computed; none by the interpreter.
  std::vector<LayerKernel> kernels(int64_t tokens) const;

 private:
  std::unique_ptr<PreparedBatch> interpret(const TextBatch& batch);
  void use_engine(const RunnerOptions& options);
  SpanLogits forward(const TextBatch& batch);
  bool accepts(int64_t batch, int64_t length);
  void learn_shapes();

  std::string name_;
  torch::jit::Module model_;
  at::Device device_;
  std::string roles_reason_;  // why there are no roles; set while they are looked for
  std::optional<InputRoles> roles_;
  TextLimits limits_;
  std::string engine_ = "interpreter";
  bool removes_padding_ = false;
  int64_t fixed_batch_ = 0;
  int64_t fixed_length_ = 0;
  std::unique_ptr<EncoderEngine> encoder_;
};

// Verifies, loads, converts (`dtype`: none keeps what it is) and moves a model; its name is the file's.
// `sha256` receives the file's hash. Throws Error(kModel) when it cannot be loaded or converted.
Runner load_runner(const std::filesystem::path& path, at::Device device, std::optional<at::ScalarType> dtype,
                   bool trust_model, std::string& sha256, const RunnerOptions& options = {});

}  // namespace prune2to4
