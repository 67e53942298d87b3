// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>
#include <cutlass/arch/barrier.h>
#include <cute/tensor.hpp>

#include "ops/cuda/attention/attention.h"
#include "ops/cuda/attention/schedule.cuh"
#include "ops/cuda/cursor.cuh"

namespace prune2to4::attention {

constexpr int kWarp = 32;
constexpr int kWarpgroup = 128;
constexpr int kRows = 64;    // of a tile that the copy engine brings: of queries, keys or values
constexpr int kBuffers = 2;  // of queries

// kTeams teams of kTeamLanes warpgroups compute, kRows queries each. A team shares the ring of kSlots times
// kKeys keys or values, which a warp of the first warpgroup fills. Registers are those of a thread.
template <typename Element_, int kWidth_, int kTeamLanes_>
struct Config {
  using Element = Element_;
  static constexpr int kWidth = kWidth_;
  static constexpr int kTeamLanes = kTeamLanes_;
  static constexpr bool kShares = kTeamLanes > 1;
  static constexpr int kTeams = kShares ? 1 : 4;
  static constexpr int kLanes = kTeams * kTeamLanes;
  static constexpr int kQueries = kTeamLanes * kRows;
  static constexpr int kKeys = kShares ? 128 : 64;
  static constexpr int kSlots = kShares ? 10 : 5;
  static constexpr int kComputeRegisters = kShares ? 160 : 112;
  static constexpr int kLoadRegisters = 32;
  static constexpr int kThreads = (1 + kLanes) * kWarpgroup;
  static constexpr bool kWide = kWidth == 64;
  static_assert(kWide || kWidth == 32);

  // As the copy engine writes them: rows of kWidth elements, swizzled.
  using KeyAtom = std::conditional_t<kWide, cute::GMMA::Layout_K_SW128_Atom<Element>,
                                     cute::GMMA::Layout_K_SW64_Atom<Element>>;
  using ValueAtom = std::conditional_t<kWide, cute::GMMA::Layout_MN_SW128_Atom<Element>,
                                       cute::GMMA::Layout_MN_SW64_Atom<Element>>;
  using QueryLayout =
      decltype(cute::tile_to_shape(KeyAtom{}, cute::Shape<cute::Int<kRows>, cute::Int<kWidth>>{}));
  using KeyLayout =
      decltype(cute::tile_to_shape(KeyAtom{}, cute::Shape<cute::Int<kKeys>, cute::Int<kWidth>>{}));
  using ValueLayout =
      decltype(cute::tile_to_shape(ValueAtom{}, cute::Shape<cute::Int<kWidth>, cute::Int<kKeys>>{}));
  using ScoreMma = decltype(cute::make_tiled_mma(
      cute::GMMA::ss_op_selector<Element, Element, float,
                                 cute::Shape<cute::Int<kRows>, cute::Int<kKeys>, cute::Int<kWidth>>>()));
  using ResultMma = decltype(cute::make_tiled_mma(
      cute::GMMA::rs_op_selector<Element, Element, float,
                                 cute::Shape<cute::Int<kRows>, cute::Int<kWidth>, cute::Int<kKeys>>,
                                 cute::GMMA::Major::K, cute::GMMA::Major::MN>()));

  // What a team is to compute, beside its queries.
  struct Task {
    int keys;        // 0: nothing any more
    int rows;        // within the sequence, from the first query on
    int64_t result;  // of the first query and head, in elements
  };

  struct Memory {
    alignas(1024) Element queries[kBuffers][kQueries * kWidth];
    Element slots[kSlots][kKeys * kWidth];
  };
  struct Barriers {
    uint64_t queries_here[kBuffers];
    uint64_t queries_used[kBuffers];
    uint64_t here[kSlots];
    uint64_t used[kSlots];
    Task tasks[kBuffers];
  };
  struct Shared {
    Memory memory[kTeams];
    Barriers barriers[kTeams];
    Share share;
    int taken;  // tiles of the share
  };
};

using Barrier = cutlass::arch::ClusterTransactionBarrier;

}  // namespace prune2to4::attention
