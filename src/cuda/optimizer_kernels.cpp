// SPDX-License-Identifier: Apache-2.0
#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda/fused.h"
#include "cuda/kernels/kernels.h"

namespace prune2to4::fused {
namespace {

// Dense float32 of one dimension on a GPU, 16-byte aligned.
bool is_flat_row(const at::Tensor& tensor) {
  return tensor.is_cuda() && tensor.scalar_type() == at::kFloat && tensor.dim() == 1 &&
         tensor.is_contiguous() && reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0;
}

const float* one_number(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cuda() && tensor.scalar_type() == at::kFloat && tensor.numel() == 1,
              "[kernels] one float32 on a GPU is needed, not ", tensor.numel(), " of ", tensor.scalar_type());
  return tensor.const_data_ptr<float>();
}

}  // namespace

at::Tensor masked_norm(const at::Tensor& gradients, const at::Tensor& mask) {
  TORCH_CHECK(is_flat_row(gradients),
              "[kernels] gradients must be one dense, aligned row of float32 on a GPU");
  TORCH_CHECK(mask.device() == gradients.device() && mask.scalar_type() == at::kByte &&
                  mask.is_contiguous() && mask.numel() <= gradients.numel() &&
                  reinterpret_cast<uintptr_t>(mask.const_data_ptr()) % 4 == 0,
              "[kernels] the mask must be dense, aligned uint8 beside the gradients, not more of them");
  const c10::cuda::CUDAGuard device(gradients.device());
  const int processors = at::cuda::getDeviceProperties(gradients.device().index())->multiProcessorCount;
  const at::Tensor partial_sums = at::empty({kernels::norm_partials(processors)}, gradients.options());
  at::Tensor norm = at::empty({}, gradients.options());
  kernels::MaskedNormArguments arguments;
  arguments.values = gradients.mutable_data_ptr<float>();
  arguments.size = gradients.numel();
  arguments.mask = mask.const_data_ptr<uint8_t>();
  arguments.masked = mask.numel();
  arguments.partial_sums = partial_sums.mutable_data_ptr<float>();
  arguments.norm = norm.mutable_data_ptr<float>();
  C10_CUDA_CHECK(kernels::masked_norm(arguments, processors, c10::cuda::getCurrentCUDAStream()));
  return norm;
}

void adamw(const AdamWStep& step) {
  for (const at::Tensor* each : {&step.values, &step.gradients, &step.exp_avg, &step.exp_avg_sq}) {
    TORCH_CHECK(
        is_flat_row(*each) && each->numel() == step.values.numel(),
        "[kernels] values, gradients and moments must be dense, aligned rows of float32 of one length");
  }
  const c10::cuda::CUDAGuard device(step.values.device());
  kernels::AdamWArguments arguments;
  arguments.values = step.values.mutable_data_ptr<float>();
  arguments.gradients = step.gradients.const_data_ptr<float>();
  arguments.exp_avg = step.exp_avg.mutable_data_ptr<float>();
  arguments.exp_avg_sq = step.exp_avg_sq.mutable_data_ptr<float>();
  arguments.size = step.values.numel();
  arguments.decayed = step.decayed;
  arguments.rate = one_number(step.rate);
  arguments.steps = one_number(step.steps);
  arguments.divisor = one_number(step.divisor);
  arguments.skipped = one_number(step.skipped);
  arguments.beta1 = step.beta1;
  arguments.beta2 = step.beta2;
  arguments.epsilon = step.epsilon;
  arguments.weight_decay = step.weight_decay;
  C10_CUDA_CHECK(kernels::adamw(arguments, c10::cuda::getCurrentCUDAStream()));
}

}  // namespace prune2to4::fused
