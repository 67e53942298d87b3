// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace prune2to4::cpu {
namespace {

struct Avx512 {
  using Floats = __m512;
  using Ints = __m512i;
  static constexpr int kLanes = 16;

  static Floats all(float value) { return _mm512_set1_ps(value); }
  static Floats load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Floats value) { _mm512_storeu_ps(to, value); }
  // A line of the cache, past it.
  static void store_past(float* to, Floats value) { _mm512_stream_ps(to, value); }
  static void finish_past() { _mm_sfence(); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static Floats least(Floats a, Floats b) { return _mm512_min_ps(a, b); }
  static Floats greatest(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  // _mm512_sqrt_ps is not clean in g++ 12 either.
  static Floats root(Floats value) { return _mm512_maskz_sqrt_ps(0xffff, value); }
  static Floats repeat4(const float* from) { return _mm512_broadcast_f32x4(_mm_loadu_ps(from)); }
  static Ints load_bytes(const uint8_t* from) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Ints second(Ints positions) { return _mm512_srli_epi32(positions, 2); }
  static Ints next_group(Ints positions) { return _mm512_srli_epi32(positions, 4); }
  // By the low two bits of each position.
  static Floats pick(Floats groups, Ints positions) { return _mm512_permutevar_ps(groups, positions); }
};

}  // namespace
}  // namespace prune2to4::cpu
