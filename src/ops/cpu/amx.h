// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ops/cpu/amx_registers.h"
#include "ops/cpu/amx_spread.h"
#include "ops/cpu/amx_write.h"
#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// bf16 by AMX, which multiplies registers of 16 rows of 64 bytes and knows no 2:4: the kept elements of a
// panel, 32 rows of the weight, are spread out where they are used, once for a tile's tokens, so that only
// they and a bit for each element come from memory. That, and what follows a sum, is done piece by piece
// while registers are multiplied. Denormal numbers count as zero. A tile here is [tokens / 16][features /
// 32][16][32], rounded up to 32 of both.
template <typename V>
struct Amx {
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kTokens = 2 * kLanes;  // at once
  static constexpr int64_t kRows = kPanelRows;
  static constexpr int64_t kMostBlocks = 24;  // of tokens, in a tile
  // Of a chunk: 24 KiB of a panel, and half where there is more than one and a tile has so few blocks that
  // much of the next chunk is spread out beside each.
  static constexpr int64_t kMostFeatures = 384;
  static constexpr int64_t kFewFeatures = 192;
  static constexpr int64_t kFewBlocks = 6;
  static_assert(kLanes == 16 && kRows == 2 * kLanes);

  static constexpr int64_t width_of(int64_t groups) { return rounded(4 * groups, kAmxFeatures); }

  // Of rows `width` apart, as many and as many of their features as there are.
  static void pack_register(const uint16_t* from, int64_t width, int64_t rows, int64_t features,
                            uint16_t* to) {
    if (rows == kLanes && features >= kAmxFeatures) {
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) {
        _mm512_storeu_si512(to + i * kAmxFeatures, _mm512_loadu_si512(from + i * width));
      }
      return;
    }
    const __mmask32 kept = first_lanes(features);
    for (int64_t i = 0; i < kLanes; ++i) {
      const __m512i row =
          i < rows ? _mm512_maskz_loadu_epi16(kept, from + i * width) : _mm512_setzero_si512();
      _mm512_storeu_si512(to + i * kAmxFeatures, row);
    }
  }

  static void pack(const void* x, Element, int64_t tokens, int64_t groups, float* tile) {
    const int64_t width = width_of(groups);
    const auto* from = static_cast<const uint16_t*>(x);
    auto* to = reinterpret_cast<uint16_t*>(tile);
    for (int64_t block = 0; block < rounded(tokens, kTokens); block += kLanes) {
      for (int64_t feature = 0; feature < width; feature += kAmxFeatures, to += kAmxRegister) {
        pack_register(from + block * 4 * groups + feature, 4 * groups, lesser(tokens - block, kLanes),
                      4 * groups - feature, to);
      }
    }
  }

  // Brings what is read next to the L2 cache, as much at each of so many steps.
  class Fetch {
   public:
    Fetch(const Output& output, int64_t steps)
        : next_(output.next),
          end_(output.next + output.next_bytes),
          lines_(quotient(output.next_bytes, kLine * steps)) {}

    [[gnu::always_inline]] void go_on() {
      if (next_ >= end_) return;
      for (int64_t i = 0; i < lines_; ++i, next_ += kLine) _mm_prefetch(next_, _MM_HINT_T1);
    }

   private:
    static constexpr int64_t kLine = 64;

    const char* next_;
    const char* end_;
    int64_t lines_;
  };

  // A tile by some panels. Features go by in chunks, each of all tokens: a chunk of a panel stays in the L1
  // cache, which inputs only pass; sums wait for the next chunk in the L2 cache.
  template <bool kPlain>
  class Pass {
   public:
    using Written = Write<V, kPlain>;

    Pass(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first, int64_t last,
         const Output& output, float* memory)
        : inputs_(reinterpret_cast<const uint16_t*>(tile)),
          tokens_(tokens),
          first_(first),
          last_(last),
          memory_(*reinterpret_cast<Memory*>(memory)),
          width_(width_of(weight.groups)),
          blocks_(quotient(tokens, kTokens)),
          chunk_(chunk_of(width_, blocks_)),
          spread_at_once_(quotient(Spread::kPieces, blocks_)),
          spread_(weight, width_, first / kRows, rounded(last, kRows) / kRows),
          write_(output, weight.rows),
          fetch_(output, quotient(last - first, kRows) * blocks_ * (width_ / kAmxFeatures)) {}

    void run() {
      spread_.begin(chunk_, memory_.panels[0]);
      spread_.finish();
      for (int64_t row = first_; row < last_; row += kRows) {
        const int64_t rows = lesser(last_ - row, kRows);
        for (int64_t feature = 0; feature < width_; feature += chunk_) {
          const int64_t next = feature + chunk_ < width_ ? feature + chunk_ : 0;
          spread_.begin(features_from(next), memory_.panels[1 - panel_]);
          const int64_t written_at_once = quotient(Written::kPieces * kAmxFeatures, features_from(feature));
          for (int64_t block = 0; block < blocks_; ++block) {
            multiply_block(block, feature, written_at_once);
            if (next == 0) write(block, row, rows);
          }
          spread_.finish();
          panel_ = 1 - panel_;
        }
      }
      write_.finish();
    }

   private:
    struct Memory {
      uint16_t panels[2][kMostFeatures * kRows];
      Sums waiting[kMostBlocks];
      Sums done[2];
    };
    static_assert(sizeof(Memory) <= kTiledRows * kMostBlocks * kTokens * sizeof(float));

    static int64_t chunk_of(int64_t width, int64_t blocks) {
      if (width <= kMostFeatures) return width;
      const int64_t most = blocks > kFewBlocks ? kMostFeatures : kFewFeatures;
      return rounded(quotient(width, quotient(width, most)), kAmxFeatures);
    }

    int64_t features_from(int64_t feature) const { return lesser(chunk_, width_ - feature); }

    void multiply_block(int64_t block, int64_t feature, int64_t written_at_once) {
      const int64_t features = features_from(feature);
      const uint16_t* inputs = inputs_ + block * kTokens * width_ + feature * kLanes;
      const uint16_t* second = inputs + kLanes * width_;
      const uint16_t* panel = memory_.panels[panel_];
      if (feature == 0) {
        begin_sums();
      } else {
        load_sums(memory_.waiting[block]);
      }
      // Copies, which stay in registers: what the members store might change them.
      Spread spreading = spread_;
      Written writing = write_;
      Fetch fetching = fetch_;
      for (int64_t i = 0; i < features; i += kAmxFeatures, panel += 2 * kAmxRegister) {
        add_products<true>(inputs + i * kLanes, second + i * kLanes, 64, panel, panel + kAmxRegister);
        spreading.go_on(spread_at_once_);
        writing.go_on(written_at_once);
        fetching.go_on();
      }
      spread_ = spreading;
      write_ = writing;
      fetch_ = fetching;
      store_sums(feature + features < width_ ? memory_.waiting[block] : memory_.done[turn_]);
    }

    void write(int64_t block, int64_t row, int64_t rows) {
      const int64_t token = block * kTokens;
      write_.begin(memory_.done[turn_], token, lesser(tokens_ - token, kTokens), row, rows);
      turn_ = 1 - turn_;
    }

    const uint16_t* inputs_;
    int64_t tokens_;
    int64_t first_;
    int64_t last_;
    Memory& memory_;
    int64_t width_;
    int64_t blocks_;
    int64_t chunk_;
    int64_t spread_at_once_;
    Spread spread_;
    Written write_;
    Fetch fetch_;
    int panel_ = 0;
    int turn_ = 0;
  };

  static void multiply(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first,
                       int64_t last, const Output& output, float* memory) {
    const AmxConfig config;
    _tile_loadconfig(&config);
    if (output.gelu || output.residual != nullptr) {
      Pass<false>(weight, tile, tokens, first, last, output, memory).run();
    } else {
      Pass<true>(weight, tile, tokens, first, last, output, memory).run();
    }
    _tile_release();
  }

  static constexpr TiledKernel kKernel{.lanes = kTokens,
                                       .vectors = kMostBlocks,
                                       .enough = 1,
                                       .groups = kAmxFeatures / 4,
                                       .group_values = 2,
                                       .form = WeightForm::kMasks,
                                       .group_step = kAmxFeatures / 4,
                                       .row_step = kRows,
                                       .tile_floats = 128 * 3072 / 2,
                                       .pack = &pack,
                                       .multiply = &multiply};
};

}  // namespace
}  // namespace prune2to4::cpu
