// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/sequence_attention.h"

#include <ATen/core/grad_mode.h>

#include <string>

#include "ops/attention_entry.h"
#include "ops/cpu/attend.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/cuda_library.h"

namespace prune2to4 {
namespace {

AttentionEntry load() {
  std::string reason;  // LibTorch's attention takes the kernel's place
  return reinterpret_cast<AttentionEntry>(cuda_library_entry(kAttentionEntry, reason));
}

}  // namespace

std::optional<at::Tensor> sequence_attention(const at::Tensor& qkv, const at::Tensor& boundaries,
                                             int64_t length) {
  if (at::GradMode::is_enabled() && qkv.requires_grad()) return std::nullopt;
  if (qkv.is_cpu()) {
    static const cpu::Kernels& kernels = *cpu::available_kernels().front();
    return cpu::attend_sequences(kernels, qkv, boundaries);
  }
  if (!qkv.is_cuda()) return std::nullopt;
  static const AttentionEntry entry = load();
  at::Tensor result;
  if (entry == nullptr || !entry(qkv, boundaries, length, result)) return std::nullopt;
  return result;
}

}  // namespace prune2to4
