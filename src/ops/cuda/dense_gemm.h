// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "ops/sparse_gemm.h"

namespace prune2to4 {

// GemmBackend's dense products: what cuBLASLt's heuristics propose for a shape, best first, as kernels.
const std::vector<std::string>& dense_kernels();
bool run_dense(size_t kernel, const at::Tensor& weight, const Operands& operands, at::Tensor& d);

}  // namespace prune2to4
