// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/attention/launch.cuh"

namespace prune2to4::attention {

cudaError_t run_bfloat16(int width, const Call& call, cudaStream_t stream) {
  return launch_for<cutlass::bfloat16_t>(width, call, stream);
}

}  // namespace prune2to4::attention
