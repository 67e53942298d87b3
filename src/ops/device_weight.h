// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ops/kernel_choice.h"
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

  // Whether products may be 2:4 ones.
  bool is_sparse() const { return sparse_ != nullptr; }
  const SparseGemm* sparse() const { return sparse_.get(); }  // nullptr: there are none
  // The operands are of this device and dtype, of any alignment; T may be 0.
  at::Tensor run(const Operands& operands) const;
  // All ways to compute it, to be timed with these operands. What they give outlives neither this nor a
  // change of the current stream.
  std::vector<Candidate> timed(const Operands& operands) const;
  // What run() takes for so many tokens; "not yet measured" before it was asked.
  std::string kernel(int64_t tokens, Epilogue epilogue) const;

 private:
  // Makes a dense weight where it is needed.
  using Make = std::function<at::Tensor()>;
  struct Dense {
    Make plain;
    Make reordered;  // for the backend's kernels
  };

  at::Tensor unpacked() const;
  // Kept from the first call on.
  at::Tensor dense() const;
  at::Tensor reordered() const;
  ProductShape shape(int64_t tokens, Epilogue epilogue) const;
  // Candidates of fastest(), as reports name them: LibTorch's dense product, the backend's, the 2:4 ones.
  std::vector<std::string> candidates(Epilogue epilogue) const;
  bool proven(size_t candidate, Epilogue epilogue) const;
  size_t choose(const Operands& all) const;
  // By one of the candidates; an undefined tensor when it does not take this shape.
  at::Tensor run(size_t candidate, const Operands& operands, const Dense& dense) const;

  at::Tensor dense_;  // undefined: `packed_` has it
  const PackedWeight* packed_ = nullptr;
  int64_t out_ = 0;
  int64_t in_ = 0;
  at::Device device_ = at::kCPU;
  at::ScalarType dtype_ = at::kFloat;
  GemmBackend* backend_ = nullptr;      // nullptr: LibTorch's product runs
  std::unique_ptr<SparseGemm> sparse_;  // none: dense products only
  mutable std::once_flag reordered_once_;
  mutable at::Tensor reordered_;
};

}  // namespace prune2to4
