// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/input_roles.h"
#include "prune2to4/lru_map.h"
#include "runtime/engine/encoder_pass.h"
#include "runtime/engine/recorded_pass.h"

namespace prune2to4 {

// Runs a BERT encoder without the interpreter. Thread-safe: on a GPU what two threads ask for is queued one
// after the other.
class EncoderEngine {
 public:
  EncoderEngine(std::shared_ptr<const EncoderPass> pass, const InputRoles& roles, bool remove_padding);

  // None: only the interpreter can run it, see pack_text().
  std::optional<PackedText> pack(const TextBatch& batch) const { return pack_text(batch, rules_); }
  SpanLogits run(const PackedText& text);
  std::unique_ptr<PreparedBatch> prepare(const PackedText& text) const;
  // For a batch of so many tokens, to which filler may come.
  std::vector<LayerKernel> kernels(int64_t tokens) const;

 private:
  std::shared_ptr<const EncoderPass> pass_;
  PackRules rules_;
  LruMap<TextShape, RecordedPass> passes_;
};

// What make_encoder_engine() compares with: the model by the interpreter.
struct Reference {
  std::function<SpanLogits(const TextBatch&)> run;
  InputRoles roles;
  int64_t batch = 0;  // that it takes; 0: any
  int64_t length = 0;
};

// An engine for `module`, where its parameters lie, when the module is a BERT encoder by its names and gives
// the logits of one; else `reason` says why there is none: where in the graph what it computes parts from a
// BERT's. Throws what the reference throws.
std::unique_ptr<EncoderEngine> make_encoder_engine(const torch::jit::Module& module,
                                                   const Reference& reference, bool remove_padding,
                                                   std::string& reason);

}  // namespace prune2to4
