// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>

#include "prune2to4/atomic_file.h"
#include "prune2to4/runner.h"

namespace prune2to4 {

// What `bench --export-logits` writes, a safetensors file: the batch as int64 [batch, length] "input_ids",
// "attention_mask" and "token_type_ids", and what the first runner makes of it as fp32 [batch, length]
// "model.start_logits" and "model.end_logits", the second one, where there is one, "baseline.start_logits"
// and "baseline.end_logits"; kNoLogit or anything where the mask is 0. Metadata: "model" and "baseline" are
// their names. The caller commits. Throws as Runner::run() does.
void write_logits(std::deque<Runner>& runners, const TextBatch& batch, AtomicFile& file);

}  // namespace prune2to4
