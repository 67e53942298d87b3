// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/attention.h"
#include "ops/cpu/avx512.h"
#include "ops/cpu/coded.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/tiled.h"

namespace prune2to4::cpu {

const Kernels& avx512_kernels() {
  static const Kernels kernels{"AVX-512",
                               Tiled<Avx512, 8, 16>::kKernel,
                               {},
                               Coded<Avx512, 16>::kKernel,
                               Rows<Avx512>::kKernel,
                               Attention<Avx512, 3, 8>::kKernel};
  return kernels;
}

}  // namespace prune2to4::cpu
