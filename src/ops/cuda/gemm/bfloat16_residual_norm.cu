// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels bfloat16_residual_norm() {
  using Element = cutlass::bfloat16_t;
  return residual_kernels<Element, ResidualNormFusion<Element>>();
}

}  // namespace prune2to4::gemm
