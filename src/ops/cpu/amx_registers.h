// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "ops/cpu/vectors.h"

// AMX's registers, each 16 rows of 64 bytes: 0 ... 3 are sums of 2 x 2 products in bf16, of 4 and 5 by 6
// and 7.
namespace prune2to4::cpu {
namespace {

constexpr int64_t kAmxFeatures = 32;                 // of a row, in bf16
constexpr int64_t kAmxRegister = 16 * kAmxFeatures;  // elements

struct alignas(64) AmxConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

constexpr int64_t quotient(int64_t value, int64_t by) { return (value + by - 1) / by; }  // rounded up
constexpr int64_t rounded(int64_t value, int64_t to) { return quotient(value, to) * to; }

// All of them where that is less than `count`, none where it is negative.
inline __mmask32 first_lanes(int64_t count) {
  if (count <= 0) return 0;
  return static_cast<__mmask32>(count < 32 ? (uint64_t{1} << count) - 1 : ~uint64_t{0});
}

// The lanes of `low` and `high`, side by side.
inline __m512i round_to_bfloat16(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

using Sums = float[2][32][16];  // of registers 0 ... 3: 32 rows' first 16, and their others

inline void begin_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Rows [16][32], `bytes` apart, by pairs of rows' elements, [16][16][2] one behind the other. kPassing: rows
// of `a` take no place in the L1 cache from what stays there.
template <bool kPassing = false>
inline void add_products(const uint16_t* a0, const uint16_t* a1, int64_t bytes, const uint16_t* b0,
                         const uint16_t* b1) {
  _tile_loadd(6, b0, 64);
  if constexpr (kPassing) {
    _tile_stream_loadd(4, a0, bytes);
  } else {
    _tile_loadd(4, a0, bytes);
  }
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, b1, 64);
  _tile_dpbf16ps(1, 4, 7);
  if constexpr (kPassing) {
    _tile_stream_loadd(5, a1, bytes);
  } else {
    _tile_loadd(5, a1, bytes);
  }
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

inline void load_sums(const Sums& from) {
  _tile_loadd(0, from[0][0], 64);
  _tile_loadd(1, from[1][0], 64);
  _tile_loadd(2, from[0][16], 64);
  _tile_loadd(3, from[1][16], 64);
}

// [16][16] each, its rows `bytes` apart.
inline void store_sums(float* a0_b0, float* a0_b1, float* a1_b0, float* a1_b1, int64_t bytes) {
  _tile_stored(0, a0_b0, bytes);
  _tile_stored(1, a0_b1, bytes);
  _tile_stored(2, a1_b0, bytes);
  _tile_stored(3, a1_b1, bytes);
}

inline void store_sums(Sums& to) { store_sums(to[0][0], to[1][0], to[0][16], to[1][16], 64); }

}  // namespace
}  // namespace prune2to4::cpu
