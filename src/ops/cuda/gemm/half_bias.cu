// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {
namespace {

using Element = cutlass::half_t;
using Fusion = Bias<Element>;
template <typename Tile, typename Cluster, typename Schedule>
using Gemm = SparseGemm<Element, Fusion, Tile, Cluster, Schedule>;

constexpr Kernel kKernels[] = {
    Gemm<Tile<128, 128, 128>, Cluster<2, 1>, Pingpong>::kernel("128x128x128 pingpong, cluster 2x1",
                                                               Type::kHalf, false),
    Gemm<Tile<128, 128, 128>, Cluster<1, 1>, Pingpong>::kernel("128x128x128 pingpong", Type::kHalf, false)};

}  // namespace

Kernels half_bias() { return {kKernels, sizeof(kKernels) / sizeof(kKernels[0])}; }

}  // namespace prune2to4::gemm
