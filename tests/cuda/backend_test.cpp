// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include "cuda/gpu.h"

namespace prune2to4 {

CATCH_TEST_CASE("the backend loads, with a GPU or without") {
  static_cast<void>(has_gpu());  // loads LibTorch's part
  CATCH_CHECK_NOTHROW(cuda_backend().has_kernels());
}

CATCH_TEST_CASE("the backend knows the GPU and the memory that was in use at once") {
  if (!has_gpu()) return;
  CudaBackend& backend = cuda_backend();
  backend.set_device(kGpu);
  CATCH_CHECK(!backend.device_name(kGpu).empty());
  CATCH_CHECK(backend.has_bf16(kGpu));
  // An A100 has 312 TFLOP/s, an H100 about 1,000.
  const double peak = backend.peak_flops(kGpu, at::kHalf);
  CATCH_CHECK((peak == 0 || (peak > 100e12 && peak < 3000e12)));
  CATCH_CHECK(backend.peak_flops(kGpu, at::kFloat) == 0);
  constexpr int64_t kBytes = 64 << 20;
  backend.reset_peak_bytes(kGpu);
  const int64_t before = backend.peak_bytes(kGpu);
  at::empty({kBytes}, at::TensorOptions(kGpu).dtype(at::kByte));
  backend.synchronize(kGpu);
  CATCH_CHECK(backend.peak_bytes(kGpu) >= before + kBytes);
  CATCH_CHECK(backend.peak_bytes(kGpu) < before + 2 * kBytes);
  backend.reset_peak_bytes(kGpu);
  CATCH_CHECK(backend.peak_bytes(kGpu) == before);
}

}  // namespace prune2to4
