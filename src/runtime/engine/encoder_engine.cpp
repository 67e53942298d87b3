// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/encoder_engine.h"

#include <c10/core/InferenceMode.h>

#include <mutex>

namespace prune2to4 {
namespace {

// Shapes whose inputs, logits and recorded work are kept.
constexpr size_t kMostShapes = 128;
// A shape that comes for the third time will come again: recording costs as much as some ten runs.
constexpr int64_t kRunsOfShape = 2;
constexpr int64_t kRunsOfPrepared = 1;

// Of all engines: records share memory, and only one may be made at a time.
std::mutex& queue() {
  static std::mutex instance;
  return instance;
}

SpanLogits on_host(const at::Tensor& logits) {
  const at::Tensor host = logits.to(at::kCPU);
  return {host.select(0, 0), host.select(0, 1)};
}

class EngineBatch final : public PreparedBatch {
 public:
  EngineBatch(std::shared_ptr<const EncoderPass> pass, const PackedText& text)
      : pass_(std::move(pass), text, kRunsOfPrepared) {}

  void run() override {
    const c10::InferenceMode inference;
    const std::scoped_lock lock(queue());
    pass_.run();
  }

  SpanLogits logits() override {
    const c10::InferenceMode inference;
    return on_host(pass_.logits());
  }

 private:
  RecordedPass pass_;
};

}  // namespace

EncoderEngine::EncoderEngine(std::shared_ptr<const EncoderPass> pass, const InputRoles& roles,
                             bool remove_padding)
    : pass_(std::move(pass)), rules_(pass_->rules()), passes_(kMostShapes) {
  const bool gpu = pass_->options().device().is_cuda();
  rules_.has_mask = roles.has(InputRole::kAttentionMask);
  rules_.has_types = roles.has(InputRole::kTokenTypeIds);
  rules_.remove_padding = remove_padding;
  rules_.round_up = gpu;
  rules_.pinned = gpu;
}

SpanLogits EncoderEngine::run(const PackedText& text) {
  const c10::InferenceMode inference;
  // On the CPU nothing is recorded, and threads work side by side.
  if (pass_->options().device().is_cpu()) {
    RecordedPass pass(pass_, text, kRunsOfShape);
    pass.run();
    return on_host(pass.logits());
  }
  at::Tensor logits;
  {
    const std::scoped_lock lock(queue());
    bool fresh = false;
    RecordedPass& pass = passes_.get(text.shape, [&] {
      fresh = true;
      return RecordedPass(pass_, text, kRunsOfShape);
    });
    if (!fresh) pass.set_text(text);
    pass.run();
    logits = pass.logits();
  }
  return on_host(logits);
}

std::vector<LayerKernel> EncoderEngine::kernels(int64_t tokens) const {
  return pass_->kernels(rules_.round_up ? rounded_up({tokens, 1, 1, 1}).tokens : tokens);
}

std::unique_ptr<PreparedBatch> EncoderEngine::prepare(const PackedText& text) const {
  const c10::InferenceMode inference;
  return std::make_unique<EngineBatch>(pass_, text);
}

}  // namespace prune2to4
