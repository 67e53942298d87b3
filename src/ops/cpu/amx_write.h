// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/cpu/amx_registers.h"
#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// Writes sums of 32 tokens by a panel's rows, with bias and what else follows, piece by piece. kPlain: there
// is nothing else.
template <typename V, bool kPlain>
class Write {
 public:
  static constexpr int64_t kPieces = 8;  // of 32 tokens

  Write(const Output& output, int64_t width)
      : out_(static_cast<uint16_t*>(output.out)),
        bias_(output.bias),
        residual_(static_cast<const uint16_t*>(output.residual)),
        gelu_(output.gelu),
        streams_(output.large && width % kPanelRows == 0 &&
                 reinterpret_cast<uintptr_t>(out_) % sizeof(__m512i) == 0),
        width_(width) {}

  void begin(const Sums& sums, int64_t token, int64_t tokens, int64_t row, int64_t rows) {
    from_ = sums[0][0];
    at_ = token * width_ + row;
    left_ = tokens / kTokens;
    rows_ = rows;
    lanes_ = first_lanes(rows);
    if (bias_ != nullptr) {
      low_bias_ = _mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes_), bias_ + row);
      high_bias_ =
          _mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes_ >> V::kLanes), bias_ + row + V::kLanes);
    }
    for (int64_t i = left_ * kTokens; i < tokens; ++i) write(sums[0][i], at_ + i * width_);
  }

  [[gnu::always_inline]] void go_on(int64_t pieces) {
    for (; pieces > 0 && left_ > 0; --pieces, --left_) {
      for (int64_t i = 0; i < kTokens; ++i, from_ += V::kLanes, at_ += width_) write(from_, at_);
    }
  }

  // Then another thread may read what was written.
  void finish() {
    go_on(left_);
    if (streams_) V::finish_past();
  }

 private:
  using F = typename V::Floats;
  static constexpr int64_t kTokens = 32 / kPieces;

  [[gnu::always_inline]] void write(const float* from, int64_t at) const {
    F low = V::load(from) + low_bias_;
    F high = V::load(from + sizeof(Sums) / sizeof(float) / 2) + high_bias_;
    if constexpr (!kPlain) {
      if (gelu_) {
        low = gelu<V>(low);
        high = gelu<V>(high);
      }
      if (residual_ != nullptr) {
        low += read_some<V>(residual_, Element::kBFloat16, at, lesser(rows_, V::kLanes));
        if (rows_ > V::kLanes) {
          high += read_some<V>(residual_, Element::kBFloat16, at + V::kLanes, rows_ - V::kLanes);
        }
      }
    }
    if (streams_) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(out_ + at), round_to_bfloat16(low, high));
      return;
    }
    _mm_prefetch(out_ + at + 2 * width_, _MM_HINT_ET0);
    _mm512_mask_storeu_epi16(out_ + at, lanes_, round_to_bfloat16(low, high));
  }

  uint16_t* out_;
  const float* bias_;
  const uint16_t* residual_;
  bool gelu_;
  bool streams_;  // a row of a panel is a line of the cache, and passes it by
  int64_t width_;
  const float* from_ = nullptr;
  int64_t at_ = 0;
  int64_t left_ = 0;  // pieces
  int64_t rows_ = 0;
  __mmask32 lanes_ = 0;
  F low_bias_ = {};
  F high_bias_ = {};
};

}  // namespace
}  // namespace prune2to4::cpu
