// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels half_norm() {
  using Element = cutlass::half_t;
  return norm_kernels<Element, NormFusion<Element>>();
}

}  // namespace prune2to4::gemm
