// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "prune2to4/fused_linear.h"

namespace prune2to4 {

// LayerNorm as a part of the 2:4 products around it, on GPUs of compute capability 9.0 in fp16 and bf16: the
// product that makes a matrix sums up its rows, and those that read it norm what they read. With
// norm(h) = (h - mean) / std * weight + bias, the first two steps are one scale and one shift for a row,
// which pass through a product: norm(h) W^T = scale (h V^T) + shift (sum of V's rows) + W bias, V = W
// diag(weight). V is rounded to the dtype, which is 2:4 where W is.

// A matrix whose LayerNorm is yet to come.
struct HiddenRows {
  at::Tensor rows;   // [T, width]
  at::Tensor norms;  // fp32 [T or more, 2]: each row's scale and shift; undefined: the rows are normed
};

struct LayerNorm {
  at::Tensor weight;  // fp32 [width]; undefined: the rows are normed already
  at::Tensor bias;    // fp32 [width]
  double epsilon = 0;
};

// Whether both of the following can be made of a weight there.
PRUNE2TO4_API bool products_take_norms(const PackedWeight& weight, at::Device device, at::ScalarType dtype);

// activation(norm(h) weight^T + bias). Runs where the bias lies, in its dtype. Thread-safe.
class PRUNE2TO4_API LinearOfNorm {
 public:
  LinearOfNorm(const PackedWeight& weight, const at::Tensor& bias, const LayerNorm& norm);
  ~LinearOfNorm();
  LinearOfNorm(LinearOfNorm&&) noexcept;

  // A new tensor [T, out].
  at::Tensor run(const HiddenRows& h, Activation activation) const;
  const std::string& name() const;
  // What run() takes for so many tokens, as reports name it.
  std::string kernel(int64_t tokens, Activation activation) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// x weight^T + bias + norm(h), and its norms, by the same epsilon. Runs where the bias lies, in its dtype.
// Thread-safe.
class PRUNE2TO4_API LinearPlusNorm {
 public:
  LinearPlusNorm(const PackedWeight& weight, const at::Tensor& bias, const LayerNorm& norm);
  ~LinearPlusNorm();
  LinearPlusNorm(LinearPlusNorm&&) noexcept;

  // x [T, in], contiguous, of the bias's device and dtype; h [T, out].
  HiddenRows run(const at::Tensor& x, const HiddenRows& h) const;
  const std::string& name() const;
  std::string kernel(int64_t tokens) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace prune2to4
