// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/attention.h"
#include "ops/cpu/avx512.h"
#include "ops/cpu/coded.h"
#include "ops/cpu/pairs.h"
#include "ops/cpu/rows.h"

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
  static const Kernels kernels{"AVX-512 BF16",
                               Tiled<Avx512, 8, 16>::kKernel,
                               Pairs<Avx512Bf16, 4, 4, 16>::kKernel,
                               Coded<Avx512, 16>::kKernel,
                               Rows<Avx512>::kKernel,
                               Attention<Avx512, 3, 8>::kKernel};
  return kernels;
}

}  // namespace prune2to4::cpu
