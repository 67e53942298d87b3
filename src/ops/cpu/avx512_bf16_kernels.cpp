// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/avx512.h"
#include "ops/cpu/pairs.h"

namespace prune2to4::cpu {
namespace {

struct Avx512Bf16 : Avx512 {
  static Ints all_pairs(uint32_t pair) { return _mm512_set1_epi32(static_cast<int>(pair)); }
  static Floats add_pairs(Floats sum, Ints weights, const void* inputs) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weights),
                            reinterpret_cast<__m512bh>(_mm512_loadu_si512(inputs)));
  }
};

}  // namespace

const Kernels& avx512_bf16_kernels() {
  static const Kernels kernels = [] {
    Kernels all = avx512_kernels();
    all.tiled_bfloat16 = Pairs<Avx512Bf16, 4, 4, 16>::kKernel;
    all.bfloat16_name = "AVX-512 BF16";
    return all;
  }();
  return kernels;
}

}  // namespace prune2to4::cpu
