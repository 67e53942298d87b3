// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/arch/reg_reconfig.h>

#include "ops/cuda/attention/compute.cuh"
#include "ops/cuda/attention/load.cuh"

namespace prune2to4::attention {

template <typename C>
CUTE_DEVICE void initialize(typename C::Barriers& barriers) {
  constexpr int kWarps = C::kTeamLanes * kWarpgroup / kWarp;
  for (uint64_t& each : barriers.queries_here) Barrier::init(&each, 1);
  for (uint64_t& each : barriers.queries_used) Barrier::init(&each, kWarps);
  for (uint64_t& each : barriers.here) Barrier::init(&each, 1);
  for (uint64_t& each : barriers.used) Barrier::init(&each, kWarps);
  cutlass::arch::fence_barrier_init();
}

// As many blocks as there are multiprocessors. The softmax of one warpgroup runs beside the products of
// others. Before the kernel ahead of this one has ended, the boundaries alone are read.
template <typename C>
__global__ void __launch_bounds__(C::kThreads, 1)
    attend(const __grid_constant__ CUtensorMap map, const __grid_constant__ Call call) {
  extern __shared__ __align__(1024) uint8_t memory[];
  auto& shared = *reinterpret_cast<typename C::Shared*>(memory);
  const int warp = __shfl_sync(~0U, static_cast<int>(threadIdx.x) / kWarp, 0);
  const int group = warp / (kWarpgroup / kWarp);
  if (warp < C::kTeams && threadIdx.x % kWarp == 0) initialize<C>(shared.barriers[warp]);
  if (threadIdx.x == 0) {
    shared.taken = 0;
    cute::prefetch_tma_descriptor(&map);
  }
  __syncthreads();
  if (group == 0) {
    cutlass::arch::warpgroup_reg_dealloc<C::kLoadRegisters>();
    // One warp alone: all blocks read the same few lines at the same time.
    if (warp == 0) {
      const Share share =
          Schedule<C::kQueries>::share(call, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x));
      if (threadIdx.x == 0) shared.share = share;
    }
    cutlass::arch::NamedBarrier::sync(kWarpgroup, cutlass::arch::ReservedNamedBarriers::FirstUserBarrier);
    if (warp < C::kTeams) Loader<C>(shared, warp, map, call).run();
  } else {
    cutlass::arch::warpgroup_reg_alloc<C::kComputeRegisters>();
    Worker<C>(shared, group - 1, call).run();
  }
}

}  // namespace prune2to4::attention
