// SPDX-License-Identifier: Apache-2.0
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstdlib>
#include <vector>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/levels.h"
#include "prune2to4/environment_names.h"

namespace prune2to4::cpu {

std::vector<const Kernels*> available_kernels() {
  const std::vector<Level> all = levels();
  const char* best = std::getenv(kCpuVariable);
  size_t first = 0;
  if (best != nullptr && *best != '\0') {
    while (first < all.size() && all[first].name != best) ++first;
    if (first == all.size()) {
      TORCH_WARN_ONCE("[prune2to4] PRUNE2TO4_CPU is '", best,
                      "'; it may be portable, avx2, avx512, avx512-bf16 or amx, and is ignored");
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
