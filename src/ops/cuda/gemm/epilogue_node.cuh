// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/cutlass.h>
#include <cute/tensor.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/sm90_visitor_tma_warpspecialized.hpp>

#include "ops/cuda/gemm/gemm.h"

// What our nodes of CUTLASS's epilogue visitor trees share. Rows of activations are the product's columns
// here. A thread's part of an epilogue tile, of 64 rows for each warpgroup, is, by WGMMA's layout of
// accumulators (PTX ISA, "Register Fragments for wgmma.mma_async.m64nNk16", D): two neighbouring columns of
// each eight, in two rows.
namespace prune2to4::gemm {

namespace fusion = cutlass::epilogue::fusion;

constexpr int kWarpThreads = 32;
constexpr int kGroupWarps = 4;
// The warpgroups that compute a tile together; where that is one, two of them take tiles by turns.
template <typename Tile>
constexpr int kGroups = cute::size<0>(Tile{}) / 128;
template <typename Tile>
constexpr int kEpilogueRows = 64 * kGroups<Tile>;
template <typename Tile>
constexpr int kWarps = kEpilogueRows<Tile> / 16;

// Of a thread's values of an epilogue tile, by their index.
CUTLASS_DEVICE constexpr int slot_of(int value) { return value % 2 + value / 4 * 2; }
CUTLASS_DEVICE int column_of(int slot, int thread) { return slot / 2 * 8 + thread % 4 * 2 + slot % 2; }
CUTLASS_DEVICE constexpr int row_slot_of(int value) { return value / 2 % 2; }
CUTLASS_DEVICE int row_of(int slot, int thread) {
  return thread / kWarpThreads * 16 + thread % kWarpThreads / 4 + slot * 8;
}

// What every node has to say that has neither a workspace nor anything to load by the copy engine.
template <typename ArgumentsOf, typename Storage>
struct Node {
  using Arguments = ArgumentsOf;
  using Params = ArgumentsOf;
  using SharedStorage = Storage;

  template <typename ProblemShape>
  static constexpr Params to_underlying_arguments(const ProblemShape& /*shape*/, const Arguments& arguments,
                                                  void* /*workspace*/) {
    return arguments;
  }
  template <typename ProblemShape>
  static bool can_implement(const ProblemShape& /*shape*/, const Arguments& /*arguments*/) {
    return true;
  }
  template <typename ProblemShape>
  static size_t get_workspace_size(const ProblemShape& /*shape*/, const Arguments& /*arguments*/) {
    return 0;
  }
  template <typename ProblemShape>
  static cutlass::Status initialize_workspace(const ProblemShape& /*shape*/, const Arguments& /*arguments*/,
                                              void* /*workspace*/, cudaStream_t /*stream*/,
                                              cutlass::CudaHostAdapter* /*adapter*/ = nullptr) {
    return cutlass::Status::kSuccess;
  }

  CUTLASS_DEVICE static bool is_producer_load_needed() { return false; }
  CUTLASS_DEVICE static bool is_C_load_needed() { return false; }
  CUTLASS_DEVICE static bool is_zero() { return false; }
  template <typename... Args>
  CUTLASS_DEVICE static auto get_producer_load_callbacks(
      const fusion::detail::ProducerLoadArgs<Args...>& /*args*/) {
    return fusion::detail::EmptyProducerLoadCallbacks{};
  }
};

}  // namespace prune2to4::gemm
