// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/stationary/gemm.cuh"

namespace prune2to4::gemm {

Kernels bfloat16_stationary(Finish finish) { return stationary::kernels<cutlass::bfloat16_t>(finish); }

}  // namespace prune2to4::gemm
