// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ops/sparse_gemm.h"

namespace prune2to4 {

// A 2:4 weight multiplied by cuSPARSELt, whose algorithms are the kernels. It is compressed when first
// needed. Any number of tokens: cuSPARSELt takes multiples of 8, the rest is a second product.
class CusparseltGemm : public SparseGemm {
 public:
  // Once; it waits for the current stream. Thread-safe.
  virtual void compress() const = 0;
  virtual bool is_compressed() const = 0;
};

// Why a weight [out, in] cannot be multiplied by it there; empty: it can.
std::string cusparselt_missing(at::Device device, at::ScalarType dtype, int64_t out, int64_t in);
// Its version; empty: it is not there.
std::string cusparselt_version();

// `weight` makes the dense weight [out, in], fp16 or bf16, on the device.
struct SparseWeight {
  at::Device device;
  at::ScalarType dtype;
  int64_t out;
  int64_t in;
  std::function<at::Tensor()> weight;
};
// Precondition: nothing is missing.
std::unique_ptr<CusparseltGemm> cusparselt_gemm(SparseWeight weight);

}  // namespace prune2to4
