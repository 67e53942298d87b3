// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "ops/cpu/attention.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/tiled.h"

namespace prune2to4::cpu {
namespace {

struct Avx2 {
  using Floats = __m256;
  using Ints = __m256i;
  static constexpr int kLanes = 8;

  static Floats all(float value) { return _mm256_set1_ps(value); }
  static Floats load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Floats value) { _mm256_storeu_ps(to, value); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static Floats least(Floats a, Floats b) { return _mm256_min_ps(a, b); }
  static Floats greatest(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static Floats root(Floats value) { return _mm256_sqrt_ps(value); }
  static Floats repeat4(const float* from) {
    return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(from));
  }
  static Ints load_bytes(const uint8_t* from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  }
  static Ints second(Ints positions) { return _mm256_srli_epi32(positions, 2); }
  static Ints next_group(Ints positions) { return _mm256_srli_epi32(positions, 4); }
  // By the low two bits of each position.
  static Floats pick(Floats groups, Ints positions) { return _mm256_permutevar_ps(groups, positions); }
};

}  // namespace

const Kernels& avx2_kernels() {
  static const Kernels kernels{.name = "AVX2",
                               .tiled_float = Tiled<Avx2, 12, 16>::kKernel,
                               .rows = Rows<Avx2>::kKernel,
                               .attention_float = Attention<Avx2, 3, 4>::kKernel};
  return kernels;
}

}  // namespace prune2to4::cpu
