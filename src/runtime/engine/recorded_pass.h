// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "prune2to4/cuda_backend.h"
#include "runtime/engine/encoder_pass.h"

namespace prune2to4 {

// The forward pass over memory of its own for texts of one shape. On a GPU, where that saves the host time,
// it is recorded after a few runs, and repeated from then on. Not thread-safe: of all of them in a process
// only one may run() at a time.
class RecordedPass {
 public:
  // `runs`: before it is recorded, at least one.
  RecordedPass(std::shared_ptr<const EncoderPass> pass, const PackedText& text, int64_t runs);
  ~RecordedPass();
  RecordedPass(RecordedPass&&) noexcept = default;

  // Puts another text of the same shape in the place of the first.
  void set_text(const PackedText& text);
  // Queues it, and does not wait for a GPU.
  void run();
  // Of the last run(), fp32 [2, rows, width], start and end: a copy, on the device.
  at::Tensor logits() const;

 private:
  void compute();
  void record();

  std::shared_ptr<const EncoderPass> pass_;
  PackedText text_;
  at::Tensor logits_;  // as EncoderPass::run() fills it
  int64_t runs_left_;
  bool records_;
  std::unique_ptr<CapturedWork> work_;
};

}  // namespace prune2to4
