// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/cpu/amx_registers.h"
#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// Writes sums of 32 tokens by a panel's rows, piece by piece.
template <typename V>
class Write {
 public:
  static constexpr int64_t kPieces = 8;  // of 32 tokens

  Write(const Output& output, int64_t width)
      : out_(static_cast<uint16_t*>(output.out)),
        residual_(static_cast<const uint16_t*>(output.residual)),
        gelu_(output.gelu),
        plain_(!output.gelu && output.residual == nullptr),
        width_(width) {}

  void begin(const Sums& sums, int64_t token, int64_t tokens, int64_t row, int64_t rows) {
    sums_ = &sums;
    at_ = token * width_ + row;
    next_ = 0;
    tokens_ = tokens;
    rows_ = rows;
    lanes_ = first_lanes(rows);
  }

  [[gnu::always_inline]] void go_on(int64_t pieces) {
    for (; pieces > 0 && next_ < tokens_; --pieces) {
      const bool whole = tokens_ - next_ >= kTokens;
      if (plain_ && whole) {
        write_plain();
      } else {
        for (int64_t i = whole ? kTokens : tokens_ - next_; i > 0; --i) write_token();
      }
    }
  }

  void finish() { go_on(kPieces); }

 private:
  using F = typename V::Floats;
  static constexpr int64_t kTokens = 32 / kPieces;

  [[gnu::always_inline]] void store(int64_t at, F low, F high) {
    _mm_prefetch(out_ + at + 32 * width_, _MM_HINT_T1);
    store_bfloat16(out_ + at, lanes_, low, high);
  }

  [[gnu::always_inline]] void write_plain() {
    const float* from = row_of(*sums_, next_);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kTokens; ++i, from += 16, at_ += width_) {
      store(at_, V::load(from), V::load(from + 256));
    }
    next_ += kTokens;
  }

  [[gnu::always_inline]] void write_token() {
    const float* from = row_of(*sums_, next_);
    F low = V::load(from);
    F high = V::load(from + 256);
    if (gelu_) {
      low = gelu<V>(low);
      high = gelu<V>(high);
    }
    if (residual_ != nullptr) {
      low += read_some<V>(residual_, Element::kBFloat16, at_, lesser(rows_, V::kLanes));
      if (rows_ > V::kLanes) {
        high += read_some<V>(residual_, Element::kBFloat16, at_ + V::kLanes, rows_ - V::kLanes);
      }
    }
    store(at_, low, high);
    at_ += width_;
    ++next_;
  }

  uint16_t* out_;
  const uint16_t* residual_;
  bool gelu_;
  bool plain_;
  int64_t width_;
  const Sums* sums_ = nullptr;
  int64_t at_ = 0;
  int64_t next_ = 0;
  int64_t tokens_ = 0;
  int64_t rows_ = 0;
  __mmask32 lanes_ = 0;
};

}  // namespace
}  // namespace prune2to4::cpu
