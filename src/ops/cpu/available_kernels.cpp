// SPDX-License-Identifier: Apache-2.0
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/kernels.h"

namespace prune2to4::cpu {
namespace {

struct Level {
  std::string_view name;  // in PRUNE2TO4_CPU
  bool runs;
  const Kernels& (*kernels)();
};

// The best first.
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

}  // namespace

std::vector<const Kernels*> available_kernels() {
  const std::vector<Level> all = levels();
  const char* best = std::getenv("PRUNE2TO4_CPU");
  size_t first = 0;
  if (best != nullptr && *best != '\0') {
    while (first < all.size() && all[first].name != best) ++first;
    if (first == all.size()) {
      TORCH_WARN_ONCE("[prune2to4] PRUNE2TO4_CPU is '", best,
                      "'; it may be portable, avx2, avx512 or avx512-bf16, and is ignored");
      first = 0;
    }
  }
  std::vector<const Kernels*> found;
  for (size_t i = first; i < all.size(); ++i) {
    if (all[i].runs) found.push_back(&all[i].kernels());
  }
  return found;
}

}  // namespace prune2to4::cpu
