// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <dlfcn.h>

#include <catch2/catch.hpp>

#include "prune2to4/cuda_backend.h"

namespace prune2to4 {

inline const at::Device kGpu(at::kCUDA, 0);

// Whether there is a GPU; says so in the test's output when there is none.
inline bool has_gpu() {
  static const bool usable = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr && at::hasCUDA();
  if (!usable) CATCH_WARN("no GPU: not tested");
  return usable;
}

// The same, and whether the kernels are built.
inline bool has_kernels() {
  if (!has_gpu()) return false;
  if (!cuda_backend().has_kernels()) CATCH_WARN("no CUDA kernels in this build: not tested");
  return cuda_backend().has_kernels();
}

// The largest |actual - expected| / (tolerance + tolerance * |expected|).
inline double error_of(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  const at::Tensor wanted = expected.to(at::kDouble);
  const at::Tensor scale = wanted.abs().add(1).mul(tolerance);
  return (actual.to(at::kDouble) - wanted).abs().div(scale).max().item<double>();
}

}  // namespace prune2to4
