// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels half_bias() {
  using Element = cutlass::half_t;
  return kernels<Element, BiasFusion<Element>>();
}

}  // namespace prune2to4::gemm
