// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/api.h"
#include "prune2to4/fused_linear.h"

namespace prune2to4 {

// A 2:4 weight [out, in] compressed on one GPU, in fp16 or bf16.
class SparseGemm {
 public:
  virtual ~SparseGemm() = default;
  // The kernels for an activation; run() takes one by its index.
  virtual const std::vector<std::string>& kernels(Activation activation) const = 0;
  // activation(x weight^T + bias) into d. x [T, in] and d [T, out] are contiguous, 16-byte aligned, T > 0.
  // False, and nothing done, when the kernel does not take this shape.
  virtual bool run(size_t kernel, const at::Tensor& x, const std::optional<at::Tensor>& bias,
                   Activation activation, at::Tensor& d) const = 0;
};

// What the operators need of a GPU beyond LibTorch: in libprune2to4_ops_cuda.so beside libprune2to4_ops.so.
class GemmBackend {
 public:
  virtual ~GemmBackend() = default;
  // Why 2:4 products of such a weight cannot run there; empty: they can.
  virtual std::string missing(at::Device device, at::ScalarType dtype, int64_t out, int64_t in) = 0;
  // Everything that a measurement there depends on: GPU, driver, library versions.
  virtual std::string environment(at::Device device) = 0;
  // `weight` [out, in] is dense, on the GPU, with at most two non-zeros in each group of four.
  virtual std::unique_ptr<SparseGemm> compress(const at::Tensor& weight) = 0;
  // Whether the current stream is being captured: nothing can be timed then.
  virtual bool capturing() = 0;
  // What `work` takes on the current stream; it runs a few times.
  virtual double milliseconds(const std::function<void()>& work) = 0;
};

// Loaded once. nullptr, and why, where it is not there or cannot be loaded.
PRUNE2TO4_API GemmBackend* gemm_backend(std::string& reason);

}  // namespace prune2to4
