// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/cpu/amx_registers.h"
#include "ops/cpu/kernels.h"

namespace prune2to4::cpu {
namespace {

// Spreads out the kept elements of panels first ... last - 1 of a weight in masks, piece by piece: 32
// features of a panel become [2][16][32], a group of 16 rows two lines of a pair of features each. It is
// always inline, as Write is: between AMX's instructions each further one costs.
class Spread {
 public:
  static constexpr int64_t kPieces = 8;  // of 32 features

  Spread(const TiledWeight& weight, int64_t width, int64_t first, int64_t last)
      : masks_(weight.masks + first * width),
        kept_(weight.kept + first * width * kAmxFeatures / 2),
        end_(weight.masks + last * width) {}

  // Goes on with the next features, as many as are left.
  void begin(int64_t features, uint16_t* to) {
    to_ = to;
    left_ = lesser(features * kPanelRows / kPieceElements, (end_ - masks_) / kMasks);
  }

  [[gnu::always_inline]] void go_on(int64_t pieces) {
    for (; pieces > 0 && left_ > 0; --pieces, --left_) {
      // What is not of the first pair is of the second, at its own place or at the other.
#pragma GCC unroll 4
      for (int64_t i = 0; i < kMasks; i += 2) {
        uint16_t* to = to_ + i * kAmxFeatures;
        const __m512i both = _mm512_loadu_si512(kept_ + i * kAmxFeatures / 2);
        const __m512i first = _mm512_maskz_mov_epi16(masks_[i], both);
        const __m512i second = _mm512_xor_si512(first, both);
        const auto turned = static_cast<__mmask16>(masks_[i + 1]);
        _mm512_storeu_si512(to, first);
        _mm512_storeu_si512(to + kAmxFeatures, _mm512_mask_rol_epi32(second, turned, second, 16));
      }
      _mm_prefetch(masks_ + kAhead * kMasks, _MM_HINT_T0);
      _mm_prefetch(kept_ + kAhead * kPieceElements / 2, _MM_HINT_T0);
      _mm_prefetch(kept_ + kAhead * kPieceElements / 2 + kAmxFeatures, _MM_HINT_T0);
      masks_ += kMasks;
      kept_ += kPieceElements / 2;
      to_ += kPieceElements;
    }
  }

  void finish() { go_on(left_); }

 private:
  static constexpr int64_t kPieceElements = kAmxFeatures * kPanelRows / kPieces;
  static constexpr int64_t kMasks = kPieceElements / 32;
  static constexpr int64_t kAhead = 4;  // pieces, that are on their way

  const uint32_t* masks_;
  const uint16_t* kept_;
  const uint32_t* end_;
  uint16_t* to_ = nullptr;
  int64_t left_ = 0;  // pieces
};

}  // namespace
}  // namespace prune2to4::cpu
