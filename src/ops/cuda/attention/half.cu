// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/attention/launch.cuh"

namespace prune2to4::attention {

cudaError_t run_half(int width, const Call& call, cudaStream_t stream) {
  return launch_for<cutlass::half_t>(width, call, stream);
}

}  // namespace prune2to4::attention
