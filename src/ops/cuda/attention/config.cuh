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
constexpr int kRows = 64;    // of a tile: of queries, keys or values
constexpr int kBuffers = 2;  // of queries

// kLanes warpgroups of a block compute, each with a ring of kSlots tiles of keys and values, which a warp of
// the first warpgroup fills. Registers are those of a thread.
template <typename Element_, int kWidth_>
struct Config {
  using Element = Element_;
  static constexpr int kWidth = kWidth_;
  static constexpr int kLanes = 4;
  static constexpr int kSlots = 5;
  static constexpr int kComputeRegisters = 112;
  static constexpr int kLoadRegisters = 32;
  static constexpr int kThreads = (1 + kLanes) * kWarpgroup;
  static constexpr bool kWide = kWidth == 64;
  static_assert(kWide || kWidth == 32);

  // As the copy engine writes them: rows of kWidth elements, swizzled.
  using KeyAtom = std::conditional_t<kWide, cute::GMMA::Layout_K_SW128_Atom<Element>,
                                     cute::GMMA::Layout_K_SW64_Atom<Element>>;
  using ValueAtom = std::conditional_t<kWide, cute::GMMA::Layout_MN_SW128_Atom<Element>,
                                       cute::GMMA::Layout_MN_SW64_Atom<Element>>;
  using KeyLayout =
      decltype(cute::tile_to_shape(KeyAtom{}, cute::Shape<cute::Int<kRows>, cute::Int<kWidth>>{}));
  using ValueLayout =
      decltype(cute::tile_to_shape(ValueAtom{}, cute::Shape<cute::Int<kWidth>, cute::Int<kRows>>{}));
  using ScoreMma = decltype(cute::make_tiled_mma(
      cute::GMMA::ss_op_selector<Element, Element, float,
                                 cute::Shape<cute::Int<kRows>, cute::Int<kRows>, cute::Int<kWidth>>>()));
  using ResultMma = decltype(cute::make_tiled_mma(
      cute::GMMA::rs_op_selector<Element, Element, float,
                                 cute::Shape<cute::Int<kRows>, cute::Int<kWidth>, cute::Int<kRows>>,
                                 cute::GMMA::Major::K, cute::GMMA::Major::MN>()));

  // What a warpgroup is to compute, beside its queries.
  struct Task {
    int keys;        // 0: nothing any more
    int rows;        // within the sequence, from the tile's first on
    int64_t result;  // of the tile's first row and head, in elements
  };

  struct Lane {
    alignas(1024) Element queries[kBuffers][kRows * kWidth];
    Element tiles[kSlots][kRows * kWidth];
  };
  struct Barriers {
    uint64_t queries_here[kBuffers];
    uint64_t queries_used[kBuffers];
    uint64_t here[kSlots];
    uint64_t used[kSlots];
    Task tasks[kBuffers];
  };
  struct Shared {
    Lane lanes[kLanes];
    Barriers barriers[kLanes];
    Share share;
    int taken;  // tiles of the share
  };
};

using Barrier = cutlass::arch::ClusterTransactionBarrier;

}  // namespace prune2to4::attention
