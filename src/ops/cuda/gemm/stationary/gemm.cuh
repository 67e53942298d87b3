// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <cutlass/arch/reg_reconfig.h>
#include <cute/arch/cluster_sm90.hpp>

#include "ops/cuda/early_launch.cuh"
#include "ops/cuda/gemm/stationary/compute.cuh"
#include "ops/cuda/tensor_map.cuh"

namespace prune2to4::gemm::stationary {

template <typename C>
CUTE_DEVICE void initialize(typename C::Shared& shared) {
  for (uint64_t& each : shared.here) Barrier::init(&each, 1);
  for (uint64_t& each : shared.used) Barrier::init(&each, kPeers * kGroups * kWarps);
  for (uint64_t& each : shared.residual_here) Barrier::init(&each, 1);
  cutlass::arch::fence_barrier_init();
}

// As many blocks as there are multiprocessors.
template <typename C>
__global__ void __cluster_dims__(kPeers, 1, 1) __launch_bounds__(kThreads, 1)
    stationary_product(const __grid_constant__ Call call) {
  extern __shared__ __align__(1024) uint8_t memory[];
  auto& shared = *reinterpret_cast<typename C::Shared*>(memory);
  if (threadIdx.x == 0) initialize<C>(shared);
  cute::cluster_arrive_relaxed();
  cute::cluster_wait();
  cutlass::arch::launch_dependent_grids();
  const Share share = share_of(call);
  if (threadIdx.x < kWarpgroup) {
    cutlass::arch::warpgroup_reg_dealloc<kLoadRegisters>();
    if (threadIdx.x == 0) load<C>(shared, call, share);
  } else {
    cutlass::arch::warpgroup_reg_alloc<kComputeRegisters>();
    Worker<C>(shared, call).run(share);
  }
}

// Rows of `width` elements, in boxes of 128 bytes of so many of them.
template <typename Element>
cudaError_t encode_rows(CUtensorMap& map, const void* rows, int width, int count, int box_rows) {
  const auto columns = static_cast<cuuint64_t>(width);
  return encode<Element, 2>(map, rows, {columns, static_cast<cuuint64_t>(count)}, {columns * sizeof(Element)},
                            {kRowBytes / sizeof(Element), static_cast<cuuint32_t>(box_rows)});
}

template <typename C>
cudaError_t run(const Product& product, const Gpu& gpu, cudaStream_t stream) {
  using Element = typename C::Element;
  constexpr int kBytes = static_cast<int>(sizeof(typename C::Shared));
  Call call{{}, {}, {}, product, (product.tokens + C::kTokens - 1) / C::kTokens};
  cudaError_t error =
      encode_rows<Element>(call.x, product.x, C::kInputs, product.tokens, C::kTokens / kPeers);
  if (error == cudaSuccess) {
    error = encode_rows<Element>(call.d, product.d, product.out, product.tokens, C::kTokens);
  }
  if (error == cudaSuccess && C::kResidual) {
    error = encode_rows<Element>(call.residual, product.residual, product.out, product.tokens, C::kTokens);
  }
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(stationary_product<C>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  }
  if (error != cudaSuccess) return error;
  return launch_early(stationary_product<C>, gpu.multiprocessors / kPeers * kPeers, kThreads, kBytes, stream,
                      call);
}

// A kernel that is named after its tile.
template <typename Element, Finish kFinish, int kInputs, int kTokens, int kChunk>
constexpr Kernel kernel(const char* name) {
  const auto no_workspace = [](const Product& /*product*/, const Gpu& /*gpu*/) { return size_t{0}; };
  return {name, takes<kInputs>, no_workspace, run<Config<Element, kFinish, kInputs, kTokens, kChunk>>,
          kPanelRows};
}

// Found by measuring: narrower tiles are shared out more evenly and read larger chunks ahead, wider ones
// write larger parts of the result. These have no memory for the sums, nor registers for more inputs.
template <typename Element, Finish kFinish>
Kernels kernels_of() {
  constexpr Kernel kNarrow = kernel<Element, kFinish, 768, 96, 192>("128x96x768 stationary, cluster 2x1");
  constexpr Kernel kDeep = kernel<Element, kFinish, 1024, 96, 256>("128x96x1024 stationary, cluster 2x1");
  if constexpr (kFinish == Finish::kResidualNorm) {
    static constexpr Kernel kAll[] = {kNarrow, kDeep};
    return {kAll, sizeof(kAll) / sizeof(kAll[0])};
  } else {
    constexpr bool kGelu = kFinish == Finish::kGelu || kFinish == Finish::kNormGelu;
    constexpr int kChunk = kGelu ? 128 : 192;
    constexpr Kernel kWide =
        kernel<Element, kFinish, 768, 128, kChunk>("128x128x768 stationary, cluster 2x1");
    static constexpr Kernel kAll[] = {kWide, kNarrow, kDeep};
    return {kAll, sizeof(kAll) / sizeof(kAll[0])};
  }
}

template <typename Element>
Kernels kernels(Finish finish) {
  switch (finish) {
    case Finish::kBias:
      return kernels_of<Element, Finish::kBias>();
    case Finish::kGelu:
      return kernels_of<Element, Finish::kGelu>();
    case Finish::kNorm:
      return kernels_of<Element, Finish::kNorm>();
    case Finish::kNormGelu:
      return kernels_of<Element, Finish::kNormGelu>();
    case Finish::kResidualNorm:
      return kernels_of<Element, Finish::kResidualNorm>();
  }
  return {nullptr, 0};
}

}  // namespace prune2to4::gemm::stationary
