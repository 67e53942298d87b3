// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/gelu.cuh"
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels half_gelu() {
  using Element = cutlass::half_t;
  return kernels<Element, BiasActivationFusion<HalfGelu, Element>>();
}

}  // namespace prune2to4::gemm
