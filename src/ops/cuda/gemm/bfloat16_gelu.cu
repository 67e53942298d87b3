// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/gelu.cuh"
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {

Kernels bfloat16_gelu() {
  using Element = cutlass::bfloat16_t;
  return kernels<Element, BiasActivationFusion<Gelu, Element>>();
}

}  // namespace prune2to4::gemm
