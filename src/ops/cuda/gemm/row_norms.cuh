// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/arch/grid_dependency_control.h>
#include <cutlass/array.h>

#include "ops/cuda/gemm/epilogue_node.cuh"

namespace prune2to4::gemm {

constexpr int kPartsAtOnce = 8;

// What makes a value of a row normalised: value * scale + shift.
struct RowNorm {
  float scale;
  float shift;
};

template <int kTokens>
struct RowNormStorage {
  RowNorm norms[kTokens];
};

// A RowNorm for each value, from the sums over the rows.
template <typename Tile, int kColumns>
struct RowNorms : Node<Norm, RowNormStorage<cute::size<1>(Tile{})>> {
  using Base = Node<Norm, RowNormStorage<cute::size<1>(Tile{})>>;
  static constexpr int kTokens = cute::size<1>(Tile{});
  static constexpr int kSlots = kColumns / 4;  // columns of a thread in an epilogue tile

  RowNorms() = default;
  CUTLASS_HOST_DEVICE RowNorms(const Norm& params_, const typename Base::SharedStorage& storage)
      : params(params_), norms(const_cast<RowNorm*>(storage.norms)) {}

  Norm params;
  RowNorm* norms = nullptr;

  struct Callbacks : fusion::detail::EmptyConsumerStoreCallbacks {
    CUTLASS_DEVICE Callbacks(const Norm& norm_, RowNorm* norms_, int thread_, int first_, int tokens_)
        : norm(norm_), norms(norms_), thread(thread_), first(first_), tokens(tokens_) {}

    Norm norm;
    RowNorm* norms;
    int thread;
    int first;   // token of the tile
    int tokens;  // of all
    RowNorm mine[kSlots];

    CUTLASS_DEVICE void begin() {
      cutlass::arch::wait_on_dependent_grids();
      if (thread >= kTokens) return;
      RowNorm found{1.0F, 0.0F};
      const int token = first + thread;
      if (norm.sums != nullptr && token < tokens) {
        const float2* from = norm.sums + token;
        float2 total{0.0F, 0.0F};
        for (int part = 0; part < norm.parts; part += kPartsAtOnce, from += kPartsAtOnce * tokens) {
          float2 of_part[kPartsAtOnce];  // all on their way before the first is waited for
          CUTLASS_PRAGMA_UNROLL
          for (int i = 0; i < kPartsAtOnce; ++i)
            of_part[i] = part + i < norm.parts ? from[i * tokens] : float2{0.0F, 0.0F};
          CUTLASS_PRAGMA_UNROLL
          for (int half = kPartsAtOnce / 2; half > 0; half /= 2) {
            CUTLASS_PRAGMA_UNROLL
            for (int i = 0; i < half; ++i) {
              of_part[i].x += of_part[i + half].x;
              of_part[i].y += of_part[i + half].y;
            }
          }
          total.x += of_part[0].x;
          total.y += of_part[0].y;
        }
        const float mean = total.x * norm.width_inverse;
        found.scale = rsqrtf(fmaxf(fmaf(total.y, norm.width_inverse, -mean * mean), 0.0F) + norm.epsilon);
        found.shift = -mean * found.scale;
      }
      norms[thread] = found;
    }
    CUTLASS_DEVICE static bool begin_sync_needed() { return true; }

    CUTLASS_DEVICE void begin_loop(int epi_m, int epi_n) {
      if (epi_m != 0) return;  // which goes round before epi_n
      CUTLASS_PRAGMA_UNROLL
      for (int slot = 0; slot < kSlots; ++slot)
        mine[slot] = norms[epi_n * kColumns + column_of(slot, thread)];
    }

    template <typename Accumulator, int kCount>
    CUTLASS_DEVICE auto visit(const cutlass::Array<Accumulator, kCount>& /*product*/, int epi_v,
                              int /*epi_m*/, int /*epi_n*/) {
      cutlass::Array<RowNorm, kCount> result;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < kCount; ++i) result[i] = mine[slot_of(epi_v * kCount + i)];
      return result;
    }
  };

  template <bool kReferenceSource, typename... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(const fusion::detail::ConsumerStoreArgs<Args...>& args) {
    return Callbacks(params, norms, args.thread_idx, cute::get<1>(args.tile_coord_mnkl) * kTokens,
                     cute::get<1>(args.problem_shape_mnkl));
  }
};

}  // namespace prune2to4::gemm
