// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cute/arch/copy_sm90.hpp>
#include <cute/arch/copy_sm90_tma.hpp>

#include "ops/cuda/gemm/stationary/finish.cuh"
#include "ops/cuda/gemm/stationary/instruction.cuh"
#include "ops/cuda/gemm/stationary/load.cuh"

namespace prune2to4::gemm::stationary {

// One warpgroup: multiplies tile after tile by its panel of the weight.
template <typename C>
class Worker {
 public:
  CUTE_DEVICE Worker(typename C::Shared& shared, const Call& call)
      : shared_(shared),
        call_(call),
        group_(static_cast<int>(threadIdx.x) / kWarpgroup - 1),
        thread_(static_cast<int>(threadIdx.x) % kWarpgroup),
        descriptor_(descriptor_of(shared.slots[0])) {}

  CUTE_DEVICE void run(Share share) {
    int panel = -1;
    for (int unit = share.first; unit < share.end; ++unit) {
      const int panels = unit / call_.tiles;
      const int token = (unit - panels * call_.tiles) * C::kTokens;
      const int mine = (panels * kPeers + rank()) * kGroups + group_;
      if (mine != panel) {
        panel = mine;
        take(panel);
      }
      multiply(panel, token);
      finish(panel, token);
      phase_ ^= 1;
      norms_.advance();
    }
    if (thread_ == 0) cute::tma_store_wait<0>();
  }

 private:
  static constexpr int kSlotStep = C::kBoxes * C::kBoxBytes >> 4;  // of descriptors

  CUTE_DEVICE void take(int panel) {
    weight_.load(call_.product.fragments, panels_of(call_.product), panel, thread_);
    // The weight is older than the kernel before this one; terms may be that one's work.
    cutlass::arch::wait_on_dependent_grids();
    terms_.load(call_.product, panel * kPanelRows + thread_ / kWarp * 16 + thread_ % kWarp / 4);
  }

  CUTE_DEVICE void multiply(int panel, int token) {
    CUTE_UNROLL
    for (float& each : product_) cute::warpgroup_fence_operand(each);
    int before = 0;
    CUTE_UNROLL
    for (int chunk = 0; chunk < C::kChunks; ++chunk) {
      Barrier::wait(&shared_.here[ring_.slot], ring_.phase);
      cute::warpgroup_arrive();
      issue<C>(weight_, chunk, descriptor_ + static_cast<uint64_t>(ring_.slot * kSlotStep), product_);
      cute::warpgroup_commit_batch();
      if (chunk > 0) {
        cute::warpgroup_wait<1>();
        release(before);
      }
      if (C::kResidual && chunk == 1 && thread_ == 0) bring_residual(panel, token);
      before = ring_.slot;
      ring_.advance();
    }
    cute::warpgroup_wait<0>();
    release(before);
    CUTE_UNROLL
    for (float& each : product_) cute::warpgroup_fence_operand(each);
  }

  // To the peers: this warp needs the slot's chunk no longer.
  CUTE_DEVICE void release(int slot) {
    const int lane = thread_ % kWarp;
    if (lane >= kPeers) return;
    cutlass::arch::ClusterBarrier::arrive(&shared_.used[slot], lane, /*pred=*/true);
  }

  // To where the result will be, once the result before is on its way.
  CUTE_DEVICE void bring_residual(int panel, int token) {
    cute::tma_store_wait<0>();
    uint64_t& here = shared_.residual_here[group_];
    Barrier::arrive_and_expect_tx(&here, C::kBoxBytes);
    cute::SM90_TMA_LOAD_2D::copy(&call_.residual, &here, kNormalEviction, shared_.results[group_],
                                 panel * kPanelRows, token);
  }

  CUTE_DEVICE void finish(int panel, int first) {
    if constexpr (C::kResidual) {
      Barrier::wait(&shared_.residual_here[group_], phase_);
    } else {
      if (thread_ == 0) cute::tma_store_wait<0>();
    }
    synchronize();
    CUTE_UNROLL
    for (int token = 0; token < C::kTokens; token += kPassTokens) finish_pass(token);
    cutlass::arch::fence_view_async_shared();
    synchronize();
    if (thread_ == 0) {
      cute::SM90_TMA_STORE_2D::copy(&call_.d, shared_.results[group_], panel * kPanelRows, first);
      cute::tma_store_arrive();
    }
    if constexpr (C::kResidual) write_sums(panel, first);
  }

  // kPassTokens tokens from `token` on: all that has to be read is on its way before the first result is
  // written. Four 8x8 matrices at a time, of 16 outputs by 16 tokens, turn on their way to and from shared
  // memory, where a token's outputs are together.
  CUTE_DEVICE void finish_pass(int token) {
    constexpr int kEights = kPassTokens / 8;
    const int lane = thread_ % kWarp;
    uint32_t pairs[kEights][2] = {};
    NormPair norms[kEights];
    CUTE_UNROLL
    for (int i = 0; i < kEights; i += 2) {
      if constexpr (C::kResidual) {
        cute::SM75_U16x8_LDSM_T::copy(place_of(token + 8 * i), pairs[i][0], pairs[i][1], pairs[i + 1][0],
                                      pairs[i + 1][1]);
      }
    }
    CUTE_UNROLL
    for (int i = 0; i < kEights; ++i) norms[i] = norms_of(token + 8 * i + lane % 4 * 2);
    TokenSums sums;
    CUTE_UNROLL
    for (int i = 0; i < kEights; ++i) {
      CUTE_UNROLL
      for (int out = 0; out < 2; ++out) {
        const float* const product = product_ + (token + 8 * i) / 2 + out * 2;
        const float2 result = finished(float2{product[0], product[1]}, out, terms_, norms[i], pairs[i][out]);
        if constexpr (C::kResidual) {
          sums.add(2 * i, result.x);
          sums.add(2 * i + 1, result.y);
        }
        pairs[i][out] = stored<C>(result);
      }
    }
    CUTE_UNROLL
    for (int i = 0; i < kEights; i += 2) {
      cute::SM90_U16x8_STSM_T::copy(pairs[i][0], pairs[i][1], pairs[i + 1][0], pairs[i + 1][1],
                                    place_of(token + 8 * i));
    }
    if constexpr (C::kResidual) {
      int mine = 0;
      const float2 sum = sums.over_warp(lane, mine);
      shared_.sums[group_][thread_ / kWarp][token + mine] = sum;
    }
  }

  // A lane's row of the warp's outputs of 16 tokens: 16 bytes, swizzled.
  CUTE_DEVICE cute::uint128_t& place_of(int token) const {
    const int row = thread_ % 8;
    const int matrix = thread_ % kWarp / 8;
    const int piece = thread_ / kWarp * 2 + matrix % 2;
    return *reinterpret_cast<cute::uint128_t*>(
        shared_.results[group_] + (token + matrix / 2 * 8 + row) * kRowBytes + (piece ^ row) * 16);
  }

  CUTE_DEVICE NormPair norms_of(int token) const {
    if constexpr (C::kNorms) {
      if (call_.product.norms != nullptr) {
        return *reinterpret_cast<const NormPair*>(shared_.norms[norms_.slot] + token);
      }
    }
    return {{{1.0F, 0.0F}, {1.0F, 0.0F}}};
  }

  CUTE_DEVICE void write_sums(int panel, int first) const {
    const int token = first + thread_;
    if (thread_ >= C::kTokens || token >= call_.product.tokens) return;
    float2 total = {0.0F, 0.0F};
    CUTE_UNROLL
    for (const auto& warp : shared_.sums[group_]) {
      total.x += warp[thread_].x;
      total.y += warp[thread_].y;
    }
    call_.product.sums[int64_t{panel} * call_.product.tokens + token] = total;
  }

  // The threads of this warpgroup.
  CUTE_DEVICE void synchronize() const {
    asm volatile("bar.sync %0, %1;" ::"r"(group_ + 1), "n"(kWarpgroup) : "memory");
  }

  typename C::Shared& shared_;
  const Call& call_;
  int group_;
  int thread_;
  uint64_t descriptor_;
  Cursor<C::kSlots> ring_;
  Cursor<C::kNormBuffers> norms_;
  uint32_t phase_ = 0;  // of the barriers that each tile passes once
  Weight<C> weight_;
  OutTerms<C> terms_;
  float product_[C::kTokens / 2];
};

}  // namespace prune2to4::gemm::stationary
