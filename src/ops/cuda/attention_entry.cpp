// SPDX-License-Identifier: Apache-2.0
#include "ops/attention_entry.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cmath>
#include <limits>

#include "ops/cuda/attention/attention.h"

namespace prune2to4 {
namespace {

bool fits(const at::Tensor& qkv, const at::Tensor& boundaries) {
  constexpr uintptr_t kAlignment = 16;
  const cudaDeviceProp* gpu = at::cuda::getDeviceProperties(qkv.device().index());
  const bool is_half = qkv.scalar_type() == at::kHalf || qkv.scalar_type() == at::kBFloat16;
  return gpu->major == 9 && gpu->minor == 0 && is_half && (qkv.size(3) == 32 || qkv.size(3) == 64) &&
         qkv.is_contiguous() && boundaries.is_contiguous() &&
         reinterpret_cast<uintptr_t>(qkv.const_data_ptr()) % kAlignment == 0 &&
         qkv.size(0) <= std::numeric_limits<int>::max();
}

}  // namespace
}  // namespace prune2to4

extern "C" __attribute__((visibility("default"))) bool prune2to4_sequence_attention(
    const at::Tensor& qkv, const at::Tensor& boundaries, int64_t length, at::Tensor& result) {
  using namespace prune2to4;
  if (!fits(qkv, boundaries)) return false;
  const c10::cuda::CUDAGuard guard(qkv.device());
  // A thread in which CUDA has not been called yet has no context; the guard gives it none where the device
  // is current already.
  C10_CUDA_CHECK(cudaSetDevice(qkv.device().index()));
  result = at::empty({qkv.size(0), qkv.size(2) * qkv.size(3)}, qkv.options());
  attention::Call call;
  call.qkv = qkv.const_data_ptr();
  call.boundaries = boundaries.const_data_ptr<int>();
  call.result = result.mutable_data_ptr();
  call.tokens = static_cast<int>(qkv.size(0));
  call.sequences = static_cast<int>(boundaries.size(0)) - 1;
  call.heads = static_cast<int>(qkv.size(2));
  call.length = static_cast<int>(length);
  call.scale = 1.0F / std::sqrt(static_cast<float>(qkv.size(3)));
  if (call.tokens == 0 || call.sequences == 0) return true;
  const auto run = qkv.scalar_type() == at::kHalf ? attention::run_half : attention::run_bfloat16;
  C10_CUDA_CHECK(run(static_cast<int>(qkv.size(3)), call, c10::cuda::getCurrentCUDAStream()));
  return true;
}
