// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/array.h>

#include "ops/cuda/gemm/epilogue_node.cuh"
#include "ops/cuda/gemm/halve.cuh"

namespace prune2to4::gemm {

template <typename Tile>
struct RowSumStorage {
  float2 sums[kWarps<Tile>][cute::size<1>(Tile{})];
};
struct RowSumArguments {
  float2* sums = nullptr;  // [out / kOut][tokens]
};

// The values as they are; writes their sums and sums of squares over each row's part in the tile.
template <typename Tile, int kColumns>
struct RowSums : Node<RowSumArguments, RowSumStorage<Tile>> {
  using Base = Node<RowSumArguments, RowSumStorage<Tile>>;
  static constexpr int kTokens = cute::size<1>(Tile{});
  static constexpr int kSlots = kColumns / 4;         // columns of a thread in an epilogue tile
  static constexpr int kOut = cute::size<0>(Tile{});  // a part's
  static constexpr int kLastRows = kOut / kEpilogueRows<Tile> - 1;

  RowSums() = default;
  CUTLASS_HOST_DEVICE RowSums(const RowSumArguments& params_, const typename Base::SharedStorage& storage)
      : params(params_), shared(const_cast<float2 (*)[kTokens]>(storage.sums)) {}

  RowSumArguments params;
  float2 (*shared)[kTokens] = nullptr;

  struct Callbacks : fusion::detail::EmptyConsumerStoreCallbacks {
    CUTLASS_DEVICE Callbacks(float2* to_, float2 (*shared_)[kTokens], int thread_, int tokens_)
        : to(to_), shared(shared_), thread(thread_), tokens(tokens_) {}

    float2* to;  // the tile's first
    float2 (*shared)[kTokens];
    int thread;
    int tokens;  // of the tile that are in the matrix; may be more than the tile has
    float2 mine[kSlots];

    CUTLASS_DEVICE void begin_loop(int epi_m, int /*epi_n*/) {
      if (epi_m != 0) return;
      CUTLASS_PRAGMA_UNROLL
      for (float2& sum : mine) sum = {0.0F, 0.0F};
    }

    template <int kCount>
    CUTLASS_DEVICE auto visit(const cutlass::Array<float, kCount>& /*product*/, int epi_v, int /*epi_m*/,
                              int /*epi_n*/, const cutlass::Array<float, kCount>& values) {
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < kCount; ++i) {
        float2& sum = mine[slot_of(epi_v * kCount + i)];
        sum.x += values[i];
        sum.y = fmaf(values[i], values[i], sum.y);
      }
      return values;
    }

    template <typename Buffer, typename Sync, typename Results>
    CUTLASS_DEVICE void reduce(Buffer&& /*buffer*/, const Sync& sync, int epi_m, int epi_n, bool is_last,
                               Results /*results*/) {
      if (epi_m == kLastRows) add_up_warp(epi_n);
      if (!is_last) return;
      sync();
      CUTLASS_PRAGMA_UNROLL
      for (int token = thread; token < kTokens; token += kWarps<Tile> * kWarpThreads) {
        if (token < tokens) add_up_warps(token);
      }
    }

    CUTLASS_DEVICE void add_up_warps(int token) {
      float2 total = shared[0][token];
      CUTLASS_PRAGMA_UNROLL
      for (int warp = 1; warp < kWarps<Tile>; ++warp) {
        total.x += shared[warp][token].x;
        total.y += shared[warp][token].y;
      }
      to[token] = total;
    }

    // Eight lanes have the same columns: each goes on with fewer slots.
    CUTLASS_DEVICE void add_up_warp(int epi_n) {
      constexpr int kOfFour = halved(kSlots);  // lanes
      constexpr int kOfTwo = halved(kOfFour);
      constexpr int kOfOne = halved(kOfTwo);
      int first_slot = 0;
      share_out<kSlots>(16, first_slot);
      share_out<kOfFour>(8, first_slot);
      share_out<kOfTwo>(4, first_slot);
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < kOfOne; ++i)
        shared[thread / kWarpThreads][epi_n * kColumns + column_of(first_slot + i, thread)] = mine[i];
    }

    static constexpr int halved(int slots) { return slots % 2 == 0 ? slots / 2 : slots; }

    // Between two lanes. Of an odd number both go on with all.
    template <int kCount>
    CUTLASS_DEVICE void share_out(int partner, int& first_slot) {
      if constexpr (kCount % 2 == 0) {
        if (halve<kCount / 2>(mine, thread, partner)) first_slot += kCount / 2;
      } else {
        add_partner<kCount>(mine, partner);
      }
    }
  };

  template <bool kReferenceSource, typename... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(const fusion::detail::ConsumerStoreArgs<Args...>& args) {
    const int all = cute::get<1>(args.problem_shape_mnkl);
    const int first = cute::get<1>(args.tile_coord_mnkl) * kTokens;
    const int part = cute::get<0>(args.tile_coord_mnkl);
    // A cluster may have a block beyond the matrix.
    const bool inside = part * kOut < cute::get<0>(args.problem_shape_mnkl);
    return Callbacks(params.sums + int64_t{part} * all + first, shared, args.thread_idx,
                     inside ? all - first : 0);
  }
};

}  // namespace prune2to4::gemm
