// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/arch/grid_dependency_control.h>
#include <cute/arch/copy_sm90_tma.hpp>

#include "ops/cuda/gemm/stationary/config.cuh"

namespace prune2to4::gemm::stationary {

constexpr uint64_t kNormalEviction = 0x1000000000000000;

// One thread of a block: brings tile after tile of activations, chunk by chunk. Each block brings its part of
// the tokens to its peer too.
template <typename C>
CUTE_DEVICE void load(typename C::Shared& shared, const Call& call, Share share) {
  constexpr int kMine = C::kTokens / kPeers;
  constexpr uint16_t kAll = (1U << kPeers) - 1;
  cutlass::arch::wait_on_dependent_grids();
  Cursor<C::kSlots> ring;
  Cursor<C::kNormBuffers> norms;
  for (int unit = share.first; unit < share.end; ++unit) {
    const int token = unit % call.tiles * C::kTokens;
    CUTE_NO_UNROLL
    for (int chunk = 0; chunk < C::kChunks; ++chunk) {
      uint64_t& here = shared.here[ring.slot];
      Barrier::wait(&shared.used[ring.slot], ring.phase ^ 1);
      Barrier::arrive_and_expect_tx(&here, C::kBoxes * C::kBoxBytes);
      if (C::kNorms && chunk == 0 && call.product.norms != nullptr) {
        auto& buffer = shared.norms[norms.slot];
        Barrier::expect_transaction(&here, sizeof(buffer));
        cute::SM90_BULK_COPY_G2S::copy(call.product.norms + token, &here, buffer, sizeof(buffer));
      }
      CUTE_UNROLL
      for (int box = 0; box < C::kBoxes; ++box) {
        cute::SM90_TMA_LOAD_MULTICAST_2D::copy(&call.x, &here, kAll, kNormalEviction,
                                               shared.slots[ring.slot][box] + rank() * kMine * kRowBytes,
                                               chunk * C::kChunk + box * kBoxInputs, token + rank() * kMine);
      }
      ring.advance();
    }
    norms.advance();
  }
  // The peer's groups say here that they have read their last chunks: until then this block has to stay.
  for (int slot = 0; slot < C::kSlots; ++slot) {
    Barrier::wait(&shared.used[ring.slot], ring.phase ^ 1);
    ring.advance();
  }
}

}  // namespace prune2to4::gemm::stationary
