// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

namespace prune2to4::kernels {

// Programmatic dependent launch, of compute capability 9.0: a kernel may start while the one before it in the
// stream ends, and the one behind it while this one does. Each must call wait_for_results() in all of its
// threads before it reads what another kernel wrote, or writes anything.
__device__ inline void wait_for_results() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;\n\tgriddepcontrol.wait;" ::: "memory");
#endif
}

template <typename Arguments>
cudaError_t launch_early(void (*kernel)(Arguments), unsigned blocks, unsigned threads, cudaStream_t stream,
                         const Arguments& arguments) {
  int device = 0;
  int major = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (error != cudaSuccess) return error;
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = major >= 9 ? 1U : 0U;
  return cudaLaunchKernelEx(&config, kernel, arguments);
}

}  // namespace prune2to4::kernels
