// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/levels.h"

namespace prune2to4::cpu {

std::vector<Level> levels() {
  std::vector<Level> all;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0;
  all.push_back({"avx512-bf16", avx512 && __builtin_cpu_supports("avx512bf16") != 0, &avx512_bf16_kernels});
  all.push_back({"avx512", avx512, &avx512_kernels});
  all.push_back({"avx2", avx2, &avx2_kernels});
#endif
  all.push_back({"portable", true, &portable_kernels});
  return all;
}

}  // namespace prune2to4::cpu
