// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include "ops/sparse_gemm.h"

namespace prune2to4 {

// What a product by `weight` should give, with all that follows it.
inline at::Tensor product_in_fp64(const Operands& operands, const at::Tensor& weight) {
  const auto wide = [](const at::Tensor& tensor) { return tensor.to(at::kDouble); };
  at::Tensor y = at::matmul(wide(operands.x), wide(weight).t());
  if (operands.bias) y = y + wide(*operands.bias);
  if (operands.activation == Activation::kGelu) y = at::gelu(y);
  return operands.residual ? y + wide(*operands.residual) : y;
}

}  // namespace prune2to4
