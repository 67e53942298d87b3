// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>
#include <cutlass/arch/barrier.h>
#include <cutlass/numeric_types.h>
#include <cute/config.hpp>

#include "ops/cuda/cursor.cuh"
#include "ops/cuda/gemm/gemm.h"
#include "ops/cuda/gemm/stationary/fragments.h"

// 2:4 products whose weight stays in registers. A sparse WGMMA reads its activations from shared memory at
// all of that memory's rate; where the weight lies there too, and is written there anew for each tile, the
// tensor cores wait for it. Here each warpgroup of a block holds kPanelRows rows of the weight, of all its
// inputs, while tiles of activations pass by: shared memory carries nothing but these, and each of its lines
// comes once for the two blocks of a cluster.
namespace prune2to4::gemm::stationary {

constexpr int kWarp = 32;
constexpr int kWarpgroup = 128;
constexpr int kWarps = kWarpgroup / kWarp;
constexpr int kGroups = 2;  // warpgroups of a block that compute; one more loads
constexpr int kPeers = 2;   // blocks of a cluster
static_assert(kClusterPanels == kPeers * kGroups);
constexpr int kThreads = (1 + kGroups) * kWarpgroup;
constexpr int kLoadRegisters = 24;
constexpr int kComputeRegisters = 240;
constexpr int kBoxInputs = 64;  // 128 bytes of a token, as the copy engine swizzles them
constexpr int kRowBytes = 128;  // of a box's token, and of a panel's outputs of one token
constexpr int kMostSlots = 8;
constexpr int kPassTokens = 32;       // that the epilogue takes at a time
constexpr int kSharedBytes = 232448;  // that a block can have

// Of a tile of kTokens tokens, whose inputs come kChunk at a time.
template <typename Element_, Finish kFinish_, int kInputs_, int kTokens_, int kChunk_>
struct Config {
  using Element = Element_;
  static constexpr Finish kFinish = kFinish_;
  static constexpr int kInputs = kInputs_;
  static constexpr int kTokens = kTokens_;
  static constexpr int kChunk = kChunk_;
  static constexpr int kChunks = kInputs / kChunk;    // of a tile
  static constexpr int kBoxes = kChunk / kBoxInputs;  // of a chunk
  static constexpr int kBoxBytes = kTokens * kRowBytes;
  static constexpr int kInstructions = kInputs / kFragmentInputs;
  static constexpr int kSelectors = kInputs / kSelectorInputs;
  static constexpr bool kGelu = kFinish == Finish::kGelu || kFinish == Finish::kNormGelu;
  static constexpr bool kResidual = kFinish == Finish::kResidualNorm;
  static constexpr bool kNorms = kFinish == Finish::kNorm || kFinish == Finish::kNormGelu || kResidual;
  // A tile's norms come with its first chunk. Groups may then still finish the tile before, or, where chunks
  // of more than one tile fit, the one before that.
  static constexpr int kNormBuffers = kTokens == 128 ? 2 : 3;
  static_assert(kTokens % kPassTokens == 0 && kTokens <= kReadTogether);
  static_assert(kInputs % kChunk == 0 && kChunk % kBoxInputs == 0);

  struct Small {
    alignas(1024) uint8_t results[kGroups][kBoxBytes];  // before that the residual
    RowNorm norms[kNormBuffers][kNorms ? kTokens : 2];
    float2 sums[kGroups][kWarps][kResidual ? kTokens : 1];
    uint64_t here[kMostSlots];
    uint64_t used[kMostSlots];
    uint64_t residual_here[kGroups];
  };
  static constexpr int kSlots = (kSharedBytes - static_cast<int>(sizeof(Small))) / (kBoxes * kBoxBytes);
  static_assert(kSlots <= kMostSlots && kSlots >= kChunks && kSlots <= (kNormBuffers - 1) * kChunks);

  struct Shared : Small {
    alignas(1024) uint8_t slots[kSlots][kBoxes][kBoxBytes];  // a ring of chunks
  };
};

struct Call {
  CUtensorMap x;         // boxes of inputs by the tokens that a block loads
  CUtensorMap d;         // of a panel's outputs by a tile's tokens
  CUtensorMap residual;  // as d
  Product product;
  int tiles;  // of tokens
};

// A cluster's share: each of its units is a tile of tokens for kClusterPanels panels, tiles first.
struct Share {
  int first;
  int end;
};
inline __host__ __device__ int panels_of(const Product& product) { return product.out / kPanelRows; }
CUTE_DEVICE Share share_of(const Call& call) {
  const int64_t units = int64_t{panels_of(call.product) / kClusterPanels} * call.tiles;
  const int64_t clusters = gridDim.x / kPeers;
  const int64_t cluster = blockIdx.x / kPeers;
  return {static_cast<int>(units * cluster / clusters), static_cast<int>(units * (cluster + 1) / clusters)};
}
CUTE_DEVICE int rank() { return static_cast<int>(blockIdx.x) % kPeers; }  // of a block in its cluster

using Barrier = cutlass::arch::ClusterTransactionBarrier;

}  // namespace prune2to4::gemm::stationary
