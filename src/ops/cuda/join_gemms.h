// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "ops/cuda/cusparselt_gemm.h"

namespace prune2to4 {

// The kernels of both, in this order, for one weight; at most one is nullptr. cuSPARSELt's are compressed at
// once where there are no others, else when one of them is first run; while work is recorded that cannot be
// done, and the first of the others takes its place.
std::unique_ptr<SparseGemm> join_gemms(std::unique_ptr<SparseGemm> cutlass,
                                       std::unique_ptr<CusparseltGemm> cusparselt);

}  // namespace prune2to4
