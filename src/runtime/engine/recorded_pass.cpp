// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/recorded_pass.h"

#include <ATen/ops/empty.h>

#include "prune2to4/log.h"

namespace prune2to4 {
namespace {

// Above it the GPU has more to do than the host.
constexpr int64_t kMostRecordedTokens = 32768;

}  // namespace

RecordedPass::RecordedPass(std::shared_ptr<const EncoderPass> pass, const PackedText& text, int64_t runs)
    : pass_(std::move(pass)),
      text_(text),
      logits_(at::empty({text.shape.slots() + 1, 2}, pass_->options().dtype(at::kFloat))),
      runs_left_(runs),
      records_(logits_.is_cuda() && text.shape.tokens <= kMostRecordedTokens) {
  text_.data = text.data.to(logits_.device(), /*non_blocking=*/true, /*copy=*/true);
}

// The GPU may still be at it.
RecordedPass::~RecordedPass() {
  if (!work_) return;
  try {
    cuda_backend().synchronize(logits_.device());
  } catch (const std::exception& error) {  // of the GPU: the next call there throws it again
    log::debug(error.what());
  }
}

void RecordedPass::set_text(const PackedText& text) {
  text_.data.copy_(text.data, /*non_blocking=*/true);
  text_.rows = text.rows;
  text_.width = text.width;
}

void RecordedPass::run() {
  if (records_ && !work_ && runs_left_ <= 0) record();
  if (work_) return work_->replay();
  --runs_left_;
  compute();
}

void RecordedPass::compute() { pass_->run(text_, logits_); }

// What cannot be recorded still runs.
void RecordedPass::record() {
  try {
    work_ = cuda_backend().capture(logits_.device(), [this] { compute(); });
  } catch (const c10::Error& error) {
    records_ = false;
    log::debug(std::string("a forward pass of ") + std::to_string(text_.shape.tokens) +
               " tokens cannot be recorded: " + error.what_without_backtrace());
  }
}

at::Tensor RecordedPass::logits() const {
  return logits_.narrow(0, 0, text_.shape.slots())
      .view({text_.shape.rows, text_.shape.width, 2})
      .narrow(0, 0, text_.rows)
      .narrow(1, 0, text_.width)
      .permute({2, 0, 1})
      .clone(at::MemoryFormat::Contiguous);
}

}  // namespace prune2to4
