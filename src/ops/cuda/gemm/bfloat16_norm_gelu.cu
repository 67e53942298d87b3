// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels bfloat16_norm_gelu() {
  using Element = cutlass::bfloat16_t;
  return norm_kernels<Element, NormGeluFusion<Element>>();
}

}  // namespace prune2to4::gemm
