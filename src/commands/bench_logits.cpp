// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_logits.h"

#include <array>
#include <map>
#include <string>
#include <vector>

#include "prune2to4/tensor_view.h"

namespace prune2to4 {

void write_logits(std::deque<Runner>& runners, const TextBatch& batch, AtomicFile& file) {
  constexpr std::array kRoles{"model", "baseline"};
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors{{"input_ids", batch.input_ids},
                                   {"attention_mask", batch.attention_mask},
                                   {"token_type_ids", batch.token_type_ids}};
  for (size_t i = 0; i < runners.size(); ++i) {
    const std::string role = kRoles.at(i);
    const SpanLogits logits = runners[i].run(batch);
    metadata[role] = runners[i].name();
    tensors.push_back({role + ".start_logits", logits.start});
    tensors.push_back({role + ".end_logits", logits.end});
  }
  std::vector<TensorView> views;
  for (const NamedTensor& each : tensors) views.push_back(view_of(each));
  write_safetensors(std::move(views), metadata, file);
}

}  // namespace prune2to4
