// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "cuda/gpu.h"
#include "ops/sparse_gemm.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {

// The 2:4 kernels; nullptr, and the test's output says so, where there are none or no GPU for them.
inline GemmBackend* gpu_gemms() {
  if (!has_gpu()) return nullptr;
  std::string reason;
  GemmBackend* found = gemm_backend(reason);
  if (found == nullptr) {
    CATCH_WARN("no 2:4 kernels for GPUs in this build, not tested: " << reason);
    return nullptr;
  }
  reason = found->missing(kGpu, at::kHalf, 64, 64);
  if (!reason.empty()) CATCH_WARN("not tested: " << reason);
  return reason.empty() ? found : nullptr;
}

inline at::Tensor random_2_4(int64_t out, int64_t in, at::ScalarType dtype) {
  const at::Tensor weight = at::randn({out, in}) * (1 / std::sqrt(static_cast<double>(in)));
  const std::vector<uint8_t> kept = weight_norm_mask(weight, {});
  return (weight * at::tensor(kept, at::kByte).view({out, in})).to(dtype);
}

// Of rounding a result once, for error_of.
inline double rounding_of(at::ScalarType dtype) { return dtype == at::kHalf ? 0x1p-11 : 0x1p-8; }

}  // namespace prune2to4
