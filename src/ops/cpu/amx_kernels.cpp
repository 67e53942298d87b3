// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/amx.h"

#include "ops/cpu/amx_attention.h"
#include "ops/cpu/avx512.h"

namespace prune2to4::cpu {

const Kernels& amx_kernels() {
  static const Kernels kernels = [] {
    Kernels all = avx512_kernels();
    all.tiled_bfloat16 = Amx<Avx512>::kKernel;
    all.attention_bfloat16 = AmxAttention<Avx512>::kKernel;
    all.bfloat16_name = "AMX";
    return all;
  }();
  return kernels;
}

}  // namespace prune2to4::cpu
