// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace prune2to4 {

// A linear layer's parameters, fp32; several layers that read the same input are computed as one.
struct Linear {
  std::vector<at::Tensor> weights;  // [out, in] each
  std::vector<at::Tensor> biases;   // [out] each
};

struct Norm {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon = 0;
};

// Pieces of a BERT layer on x [T, in], computed in x's dtype, with gradients in fp32. With the CUDA part's
// kernels what follows a product is one pass over memory forth and one back; elsewhere it is LibTorch's
// operators.
at::Tensor linear(const at::Tensor& x, const Linear& layer);
at::Tensor linear_gelu(const at::Tensor& x, const Linear& layer);
// norm(residual + dropout(linear(x)))
at::Tensor linear_dropout_add_norm(const at::Tensor& x, const at::Tensor& residual, const Linear& layer,
                                   const Norm& norm, double dropout);

}  // namespace prune2to4
