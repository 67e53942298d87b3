// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/attention.h"
#include "ops/cpu/avx512.h"
#include "ops/cpu/coded.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/tiled.h"

namespace prune2to4::cpu {

const Kernels& avx512_kernels() {
  static const Kernels kernels{.name = "AVX-512",
                               .tiled_float = Tiled<Avx512, 8, 16>::kKernel,
                               .coded = Coded<Avx512, 16>::kKernel,
                               .rows = Rows<Avx512>::kKernel,
                               .attention_float = Attention<Avx512, 3, 8>::kKernel};
  return kernels;
}

}  // namespace prune2to4::cpu
