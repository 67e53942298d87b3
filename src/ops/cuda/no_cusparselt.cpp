// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/cusparselt_gemm.h"

namespace prune2to4 {

std::string cusparselt_missing(at::Device, at::ScalarType, int64_t, int64_t) {
  return "this build is without cuSPARSELt, whose header was not found";
}

std::string cusparselt_version() { return {}; }

std::unique_ptr<CusparseltGemm> cusparselt_gemm(SparseWeight) { return nullptr; }

}  // namespace prune2to4
