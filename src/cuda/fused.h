// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "prune2to4/cuda_backend.h"

// The kernels of cuda/kernels on tensors; see CudaBackend. Without nvcc no_kernels.cpp stands for them.
namespace prune2to4::fused {

bool available();
DropoutAddNorm dropout_add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                                const at::Tensor& bias, double epsilon, double dropout);
DropoutAddNormGradients dropout_add_norm_backward(const at::Tensor& dy, const DropoutAddNorm& forward,
                                                  const at::Tensor& weight, double dropout);
std::pair<at::Tensor, at::Tensor> gelu_backward(const at::Tensor& dy, const at::Tensor& x);
at::Tensor column_sum(const at::Tensor& x);
at::Tensor add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                    const at::Tensor& bias, double epsilon);
void span_logits(const SpanHead& head, const at::Tensor& x, const at::Tensor& residual,
                 const at::Tensor& slots, at::Tensor& logits);
at::Tensor embed_norm(const EmbeddingTables& tables, const at::Tensor& ids, const at::Tensor& places,
                      const at::Tensor& types);
at::Tensor masked_norm(const at::Tensor& gradients, const at::Tensor& mask);
void adamw(const AdamWStep& step);

}  // namespace prune2to4::fused
