// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels half_residual_norm() {
  using Element = cutlass::half_t;
  return residual_kernels<Element, ResidualNormFusion<Element>>();
}

}  // namespace prune2to4::gemm
