// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/stationary/gemm.cuh"

namespace prune2to4::gemm {

Kernels half_stationary(Finish finish) { return stationary::kernels<cutlass::half_t>(finish); }

}  // namespace prune2to4::gemm
