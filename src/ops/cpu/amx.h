// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ops/cpu/amx_registers.h"
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
  static_assert(kLanes == 16 && kRows == 2 * kLanes);

  static constexpr int64_t width_of(int64_t groups) { return rounded(4 * groups, kAmxFeatures); }

  static void pack(const void* x, Element, int64_t tokens, int64_t groups, float* tile) {
    const int64_t width = width_of(groups);
    const auto* from = static_cast<const uint16_t*>(x);
    auto* to = reinterpret_cast<uint16_t*>(tile);
    for (int64_t block = 0; block < rounded(tokens, kTokens); block += kLanes) {
      for (int64_t feature = 0; feature < width; feature += kAmxFeatures, to += kAmxRegister) {
        const __mmask32 kept = first_lanes(4 * groups - feature);
        for (int64_t i = 0; i < kLanes; ++i) {
          const bool there = block + i < tokens;
          const auto* row = from + (there ? (block + i) * 4 * groups + feature : 0);
          _mm512_storeu_si512(to + i * kAmxFeatures, _mm512_maskz_loadu_epi16(there ? kept : 0, row));
        }
      }
    }
  }

  // Spreads out a panel: [features / 32][2][16][32]. Of two lines, which hold 16 rows' group, half is kept.
  class Spread {
   public:
    Spread() = default;  // none
    Spread(const TiledWeight& weight, int64_t panel, uint16_t* to)
        : masks_(weight.masks + panel * width_of(weight.groups)),
          kept_(weight.kept + panel * width_of(weight.groups) * kAmxFeatures / 2),
          to_(to),
          end_(to + width_of(weight.groups) * kAmxFeatures) {}

    void go_on(int64_t groups) {
      for (int64_t i = 0; i < groups && to_ < end_; ++i) {
        _mm512_storeu_si512(to_, _mm512_maskz_expandloadu_epi16(masks_[0], kept_));
        const auto* rest = kept_ + __builtin_popcount(masks_[0]);
        _mm512_storeu_si512(to_ + kAmxFeatures, _mm512_maskz_expandloadu_epi16(masks_[1], rest));
        masks_ += 2;
        kept_ += kAmxFeatures;
        to_ += 2 * kAmxFeatures;
      }
    }

   private:
    const uint32_t* masks_ = nullptr;
    const uint16_t* kept_ = nullptr;
    uint16_t* to_ = nullptr;
    uint16_t* end_ = nullptr;
  };

  using Sums = float[4][256];  // of 32 tokens by a panel's rows: [2 * token half + row half][16][16]

  // Writes sums' rows, of a token each.
  class Write {
   public:
    Write(const Output& output, int64_t width) : output_(output), width_(width) {}

    void begin(const Sums& sums, int64_t token, int64_t tokens, int64_t row, int64_t rows) {
      sums_ = &sums;
      at_ = token * width_ + row;
      next_ = 0;
      tokens_ = tokens;
      rows_ = rows;
      bias_ = output_.bias == nullptr ? Line{V::all(0), V::all(0)} : read(output_.bias, Element::kFloat, row);
    }

    void go_on(int64_t tokens) {
      for (const int64_t last = lesser(next_ + tokens, tokens_); next_ < last; ++next_, at_ += width_) {
        const float* from = (*sums_)[next_ / 16 * 2] + next_ % 16 * 16;
        Line line{V::load(from) + bias_.low, V::load(from + 256) + bias_.high};
        if (output_.gelu) line = {gelu<V>(line.low), gelu<V>(line.high)};
        if (output_.residual != nullptr) {
          const Line more = read(output_.residual, Element::kBFloat16, at_);
          line = {line.low + more.low, line.high + more.high};
        }
        _mm_prefetch(static_cast<uint16_t*>(output_.out) + at_ + kTokens * width_, _MM_HINT_T0);
        store_bfloat16(static_cast<uint16_t*>(output_.out) + at_, first_lanes(rows_), line.low, line.high);
      }
    }

   private:
    struct Line {
      typename V::Floats low;
      typename V::Floats high;
    };

    Line read(const void* from, Element element, int64_t at) const {
      return {read_some<V>(from, element, at, lesser(rows_, kLanes)),
              rows_ > kLanes ? read_some<V>(from, element, at + kLanes, rows_ - kLanes) : V::all(0)};
    }

    const Output& output_;
    int64_t width_;
    const Sums* sums_ = nullptr;
    int64_t at_ = 0;
    int64_t next_ = 0;
    int64_t tokens_ = 0;
    int64_t rows_ = 0;
    Line bias_{};
  };

  template <typename Meanwhile>
  static void multiply_registers(const uint16_t* inputs, const uint16_t* panel, int64_t width, Sums& sums,
                                 const Meanwhile& meanwhile) {
    const uint16_t* second = inputs + kLanes * width;
    begin_sums();
    for (int64_t i = 0; i < width; i += kAmxFeatures, panel += 2 * kAmxRegister) {
      add_products(inputs + i * kLanes, second + i * kLanes, 64, panel, panel + kAmxRegister);
      meanwhile();
    }
    store_sums(sums[0], sums[1], sums[2], sums[3], 64);
  }

  static void multiply(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first,
                       int64_t last, const Output& output, float* memory) {
    const AmxConfig config;
    _tile_loadconfig(&config);
    const int64_t width = width_of(weight.groups);
    const auto* inputs = reinterpret_cast<const uint16_t*>(tile);
    auto* panel = reinterpret_cast<uint16_t*>(memory);
    auto* next = panel + kRows * width;
    const int64_t blocks = rounded(tokens, kTokens) / kTokens;
    const int64_t groups = (16 + blocks - 1) / blocks;                   // to spread at once
    const int64_t lines = (kTokens * kAmxFeatures + width - 1) / width;  // to write at once
    alignas(64) Sums sums[2];
    Write write(output, weight.rows);
    Spread(weight, first / kRows, panel).go_on(width);
    int64_t turn = 0;
    for (int64_t row = first; row < last; row += kRows) {
      Spread spread = row + kRows < last ? Spread(weight, row / kRows + 1, next) : Spread();
      for (int64_t token = 0; token < tokens; token += kTokens, turn = 1 - turn) {
        multiply_registers(inputs + token * width, panel, width, sums[turn], [&] {
          spread.go_on(groups);
          write.go_on(lines);
        });
        write.begin(sums[turn], token, lesser(tokens - token, kTokens), row, lesser(last - row, kRows));
      }
      auto* done = panel;
      panel = next;
      next = done;
    }
    write.go_on(kTokens);
    _tile_release();
  }

  static constexpr TiledKernel kKernel{.lanes = kTokens,
                                       .vectors = 12,
                                       .enough = 1,
                                       .groups = kAmxFeatures / 4,
                                       .group_values = 2,
                                       .form = WeightForm::kMasks,
                                       .group_step = kAmxFeatures / 4,
                                       .row_step = kRows,
                                       .group_scratch = 2 * kRows * 4 / 2,
                                       .tile_floats = 128 * 3072 / 2,
                                       .pack = &pack,
                                       .multiply = &multiply};
};

}  // namespace
}  // namespace prune2to4::cpu
