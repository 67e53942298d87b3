// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/levels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace prune2to4::cpu {
#if defined(__x86_64__)
namespace {

// Whether the CPU has it, g++ 12 does not tell; and Linux must be asked for its registers first.
bool has_amx() {
  constexpr unsigned kBf16 = 1U << 22;
  constexpr unsigned kTiles = 1U << 24;
  constexpr int kRequestPermission = 0x1023;
  constexpr int kTileData = 18;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kBf16) == 0 || (d & kTiles) == 0) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace
#endif

std::vector<Level> levels() {
  std::vector<Level> all;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0;
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16") != 0;
  all.push_back({"amx", bf16 && has_amx(), &amx_kernels});
  all.push_back({"avx512-bf16", bf16, &avx512_bf16_kernels});
  all.push_back({"avx512", avx512, &avx512_kernels});
  all.push_back({"avx2", avx2, &avx2_kernels});
#endif
  all.push_back({"portable", true, &portable_kernels});
  return all;
}

}  // namespace prune2to4::cpu
