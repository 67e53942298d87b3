// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>

#include "ops/product_shape.h"
#include "ops/sparse_gemm.h"

namespace prune2to4 {

class PackedWeight;

// A weight [out, in] on one device in one dtype, and the ways to multiply by it. Thread-safe.
class DeviceWeight {
 public:
  explicit DeviceWeight(at::Tensor dense);
  // `packed` must outlive this.
  DeviceWeight(const PackedWeight& packed, at::Device device, at::ScalarType dtype);

  // activation(x weight^T + bias): x [T, in] of this device and dtype.
  at::Tensor run(const at::Tensor& x, const std::optional<at::Tensor>& bias, Activation activation) const;
  // What run() takes for so many tokens; "not yet measured" before it was asked.
  std::string kernel(int64_t tokens, Activation activation) const;

 private:
  at::Tensor dense() const;
  at::Tensor run_sparse(const at::Tensor& x, const std::optional<at::Tensor>& bias,
                        Activation activation) const;
  size_t choose(const at::Tensor& x, const std::optional<at::Tensor>& bias, Activation activation,
                at::Tensor& d) const;
  ProductShape shape(int64_t tokens, Activation activation) const;
  // As reports name it.
  std::string kernel_name(size_t candidate, Activation activation) const;

  at::Tensor dense_;  // undefined: `packed_` has it
  const PackedWeight* packed_ = nullptr;
  at::Device device_ = at::kCPU;
  at::ScalarType dtype_ = at::kFloat;
  GemmBackend* backend_ = nullptr;
  std::unique_ptr<SparseGemm> sparse_;  // none: only the dense product runs here
};

}  // namespace prune2to4
