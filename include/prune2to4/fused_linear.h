// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "prune2to4/packed_weight.h"

namespace prune2to4 {

enum class Activation { kNone, kGelu };  // exact GELU (erf), as far as the dtype can tell

// A linear layer with bias, ready to run on one device in one dtype: activation(x weight^T + bias), or
// x weight^T + bias + residual. On a GPU in fp16 or bf16, and on the CPU in fp32 or bf16, each call takes the
// kernel that proved fastest for this shape and so many tokens (on the CPU: and threads), and the bits of the
// result depend on which; elsewhere LibTorch's. Thread-safe.
class PRUNE2TO4_API FusedLinear {
 public:
  // `weight` [out, in] and `bias` [out] are floating, of one dtype and device.
  FusedLinear(std::string name, at::Tensor weight, at::Tensor bias);
  // The packed weight runs where `bias` lies, in its dtype.
  FusedLinear(c10::intrusive_ptr<PackedWeight> weight, at::Tensor bias);
  ~FusedLinear();
  FusedLinear(FusedLinear&&) noexcept;
  FusedLinear& operator=(FusedLinear&&) noexcept;

  // x [T, in], contiguous, of the bias's dtype and device; gives a new tensor [T, out].
  at::Tensor run(const at::Tensor& x, Activation activation) const;
  // Plus `residual` [T, out], of the same dtype and device.
  at::Tensor run_residual(const at::Tensor& x, const at::Tensor& residual) const;

  const std::string& name() const;
  // The kernel that run() or run_residual() takes for so many tokens, as reports name it.
  std::string kernel(int64_t tokens, Activation activation) const;
  std::string residual_kernel(int64_t tokens) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace prune2to4
