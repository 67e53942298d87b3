// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ops/sparse_gemm.h"

namespace prune2to4::cpu {

// oneDNN's product by a weight that was reordered once; at::linear() does it in each call. In bf16 only,
// since it gains nothing in fp32, and where LibTorch has oneDNN.
const std::vector<std::string>& dense_kernels(at::ScalarType dtype);
// Undefined where oneDNN has no bf16 on this CPU.
at::Tensor reordered(const at::Tensor& weight);
bool run_dense(const at::Tensor& reordered, const Operands& operands, at::Tensor& d);

}  // namespace prune2to4::cpu
