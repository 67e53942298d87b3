// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_logits.h"

#include <array>
#include <map>
#include <string>
#include <vector>

#include "prune2to4/safetensors.h"

namespace prune2to4 {
namespace {

TensorView view(const std::string& name, const at::Tensor& tensor) {
  return {name,
          tensor.scalar_type() == at::kLong ? "I64" : "F32",
          {static_cast<uint64_t>(tensor.size(0)), static_cast<uint64_t>(tensor.size(1))},
          {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
}

}  // namespace

void write_logits(std::deque<Runner>& runners, const TextBatch& batch, AtomicFile& file) {
  constexpr std::array kRoles{"model", "baseline"};
  std::map<std::string, std::string> metadata;
  std::map<std::string, at::Tensor> tensors{{"input_ids", batch.input_ids.contiguous()},
                                            {"attention_mask", batch.attention_mask.contiguous()},
                                            {"token_type_ids", batch.token_type_ids.contiguous()}};
  for (size_t i = 0; i < runners.size(); ++i) {
    const std::string role = kRoles.at(i);
    const SpanLogits logits = runners[i].run(batch);
    metadata[role] = runners[i].name();
    tensors[role + ".start_logits"] = logits.start.contiguous();
    tensors[role + ".end_logits"] = logits.end.contiguous();
  }
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) views.push_back(view(name, tensor));
  write_safetensors(std::move(views), metadata, file);
}

}  // namespace prune2to4
