// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/arch/barrier.h>
#include <cutlass/array.h>
#include <cute/arch/copy_sm90_tma.hpp>

#include "ops/cuda/gemm/epilogue_node.cuh"

// The norms of a tile's rows of activations and the terms of its outputs come to shared memory with the main
// loop's operands: an epilogue that read them itself would wait for them first, and epilogues follow one
// another without a gap where `in` is small.
namespace prune2to4::gemm {

// Of tiles: a tile's terms come with its last operands, which follow the first ones of the tile before, which
// its group begins when it has done the epilogue of the tile two before that.
constexpr int kTermBuffers = 3;

template <int kOut, int kTokens>
struct alignas(1024) TermBuffers {  // what comes behind them in shared memory is aligned so too
  struct Tile {
    RowNorm norms[kTokens];
    OutTerm terms[kOut];
  } tiles[kTermBuffers];
};

template <int kOut, int kTokens>
CUTLASS_DEVICE auto* term_buffers() {
  __shared__ TermBuffers<kOut, kTokens> buffers;
  return buffers.tiles;
}

// CUTLASS's main loop, which brings the terms too.
template <typename MainLoop>
struct TermsMainLoop : MainLoop {
  using TileShape = typename MainLoop::TileShape;
  static constexpr int kOut = cute::size<0>(TileShape{});
  static constexpr int kTokens = cute::size<1>(TileShape{});
  static_assert(kTokens <= kReadTogether);

  struct Arguments : MainLoop::Arguments {
    const RowNorm* norms = nullptr;
    const OutTerm* terms = nullptr;
  };
  struct Params : MainLoop::Params {
    const RowNorm* norms = nullptr;
    const OutTerm* terms = nullptr;
    int last_out_tile = 0;
  };

  template <typename ProblemShape>
  static constexpr Params to_underlying_arguments(const ProblemShape& shape, const Arguments& arguments,
                                                  void* workspace) {
    return {MainLoop::to_underlying_arguments(shape, arguments, workspace), arguments.norms, arguments.terms,
            static_cast<int>(cute::get<0>(shape)) / kOut - 1};
  }

  template <typename ProblemShape>
  static bool can_implement(const ProblemShape& shape, const Arguments& arguments) {
    const int steps = cute::ceil_div(static_cast<int>(cute::get<2>(shape)), cute::size<2>(TileShape{}));
    return MainLoop::can_implement(shape, arguments) && cute::get<0>(shape) % kOut == 0 &&
           2 * steps >
               MainLoop::DispatchPolicy::Stages;  // else a buffer may still be read when it is written
  }

  template <typename Inputs, typename BlockCoord, typename KTileIterator>
  CUTLASS_DEVICE void load(const Params& params, typename MainLoop::MainloopPipeline pipeline,
                           typename MainLoop::PipelineState state, const Inputs& inputs,
                           const BlockCoord& block, KTileIterator k_tile, int k_tiles, int thread,
                           uint32_t block_rank_in_cluster, typename MainLoop::TensorStorage& tensors) {
    const int tile = static_cast<int>(state.count()) / k_tiles;
    MainLoop::load(params, pipeline, state, inputs, block, k_tile, k_tiles - 1, thread, block_rank_in_cluster,
                   tensors);
    state.advance(k_tiles - 1);
    for (int step = 1; step < k_tiles; ++step) ++k_tile;
    if (cute::elect_one_sync()) load_terms(params, pipeline, state, block, tile);
    MainLoop::load(params, pipeline, state, inputs, block, k_tile, 1, thread, block_rank_in_cluster, tensors);
  }

  template <typename BlockCoord>
  CUTLASS_DEVICE static void load_terms(const Params& params, typename MainLoop::MainloopPipeline& pipeline,
                                        const typename MainLoop::PipelineState& state,
                                        const BlockCoord& block, int tile) {
    auto& buffer = term_buffers<kOut, kTokens>()[tile % kTermBuffers];
    while (pipeline.producer_try_acquire(state) != cutlass::BarrierStatus::WaitDone) {
    }
    uint64_t* const barrier = pipeline.producer_get_barrier(state);
    const uint32_t bytes = sizeof(buffer.terms) + (params.norms == nullptr ? 0 : sizeof(buffer.norms));
    cutlass::arch::ClusterTransactionBarrier::expect_transaction(barrier, bytes);
    const int out_tile = cute::min(cute::get<0>(block), params.last_out_tile);  // a cluster may go beyond it
    cute::SM90_BULK_COPY_G2S::copy(params.terms + out_tile * kOut, barrier, buffer.terms,
                                   sizeof(buffer.terms));
    if (params.norms != nullptr) {
      cute::SM90_BULK_COPY_G2S::copy(params.norms + cute::get<1>(block) * kTokens, barrier, buffer.norms,
                                     sizeof(buffer.norms));
    }
  }
};

// Both, of a value of the tile.
struct Terms {
  RowNorm norm;
  OutTerm out;
};

template <typename Tile, int kColumns>
struct TileTerms : Node<bool, cute::tuple<>> {  // whether there are norms
  using Base = Node<bool, cute::tuple<>>;
  static constexpr int kOut = cute::size<0>(Tile{});
  static constexpr int kTokens = cute::size<1>(Tile{});
  static constexpr int kSlots = kColumns / 4;  // columns of a thread in an epilogue tile
  using Buffer = typename TermBuffers<kOut, kTokens>::Tile;

  TileTerms() = default;
  CUTLASS_HOST_DEVICE TileTerms(bool normed_, const typename Base::SharedStorage& /*storage*/)
      : normed(normed_) {}

  bool normed = false;
  int done = 0;  // tiles of this thread's group

  struct Callbacks : fusion::detail::EmptyConsumerStoreCallbacks {
    CUTLASS_DEVICE Callbacks(const Buffer& buffer_, bool normed_, int thread_)
        : buffer(buffer_), normed(normed_), thread(thread_) {}

    const Buffer& buffer;
    bool normed;
    int thread;
    RowNorm norms[kSlots];
    OutTerm terms[2];

    CUTLASS_DEVICE void begin_loop(int epi_m, int epi_n) {
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < 2; ++i) terms[i] = buffer.terms[epi_m * kEpilogueRows<Tile> + row_of(i, thread)];
      if (epi_m != 0) return;  // which goes round before epi_n
      CUTLASS_PRAGMA_UNROLL
      for (int slot = 0; slot < kSlots; ++slot) {
        norms[slot] = normed ? buffer.norms[epi_n * kColumns + column_of(slot, thread)] : RowNorm{1.0F, 0.0F};
      }
    }

    template <typename Accumulator, int kCount>
    CUTLASS_DEVICE auto visit(const cutlass::Array<Accumulator, kCount>& /*product*/, int epi_v,
                              int /*epi_m*/, int /*epi_n*/) {
      cutlass::Array<Terms, kCount> result;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const int value = epi_v * kCount + i;
        result[i] = {norms[slot_of(value)], terms[row_slot_of(value)]};
      }
      return result;
    }
  };

  template <bool kReferenceSource, typename... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(const fusion::detail::ConsumerStoreArgs<Args...>& args) {
    constexpr int kTurns = 2 / kGroups<Tile>;
    constexpr int kLoading = 1;  // the first group
    const int group = static_cast<int>(threadIdx.x) / (kGroupWarps * kWarpThreads) - kLoading;
    const int tile = kTurns * done++ + group % kTurns;
    return Callbacks(term_buffers<kOut, kTokens>()[tile % kTermBuffers], normed, args.thread_idx);
  }
};

}  // namespace prune2to4::gemm
