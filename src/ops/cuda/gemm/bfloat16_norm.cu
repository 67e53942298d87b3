// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels bfloat16_norm() {
  using Element = cutlass::bfloat16_t;
  return norm_kernels<Element, NormFusion<Element>>();
}

}  // namespace prune2to4::gemm
