// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "cuda/gpu.h"
#include "ops/product_in_fp64.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {

// What multiplies by 2:4 weights; nullptr, and the test's output says so, where nothing does or there is no
// GPU.
inline GemmBackend* any_gpu_gemms() {
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

// The same where compress() has kernels.
inline GemmBackend* gpu_gemms() {
  GemmBackend* found = any_gpu_gemms();
  if (found == nullptr || found->takes_norms(kGpu)) return found;
  CATCH_WARN("not tested: our kernels are for compute capability 9.0");
  return nullptr;
}

inline at::Tensor random_2_4(int64_t out, int64_t in, at::ScalarType dtype) {
  const at::Tensor weight = at::randn({out, in}) * (1 / std::sqrt(static_cast<double>(in)));
  const std::vector<uint8_t> kept = weight_norm_mask(weight, {});
  return (weight * at::tensor(kept, at::kByte).view({out, in})).to(dtype);
}

// Of rounding a result once, for error_of.
inline double rounding_of(at::ScalarType dtype) { return dtype == at::kHalf ? 0x1p-11 : 0x1p-8; }

// Of error_of: rounding of the result, and what the fused GELU adds in its own precision.
inline double product_tolerance(at::ScalarType dtype, Activation activation) {
  return (activation == Activation::kGelu && dtype == at::kHalf ? 3 : 1.2) * rounding_of(dtype);
}

}  // namespace prune2to4
