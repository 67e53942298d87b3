// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {
namespace {

using Element = cutlass::bfloat16_t;
using Fusion = Bias<cutlass::bfloat16_t>;

constexpr Kernel kKernels[] = {
    SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<2, 1>, Pingpong>::kernel(
        "128x128x128 pingpong, cluster 2x1", Type::kBFloat16, false)};

}  // namespace

Kernels bfloat16_bias() { return {kKernels, sizeof(kKernels) / sizeof(kKernels[0])}; }

}  // namespace prune2to4::gemm
