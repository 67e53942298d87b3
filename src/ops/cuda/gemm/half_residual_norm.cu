// SPDX-License-Identifier: Apache-2.0
#define CUTE_SM90_EXTENDED_MMA_SHAPES_ENABLED  // tiles of 80 and 144 tokens
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels half_residual_norm() {
  using Element = cutlass::half_t;
  return residual_kernels<Element, ResidualNormFusion<Element>>();
}

}  // namespace prune2to4::gemm
