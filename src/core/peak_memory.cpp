// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/peak_memory.h"

#include <sys/resource.h>

namespace prune2to4 {

int64_t process_peak_bytes() {
  constexpr int64_t kUnit = 1024;  // of ru_maxrss, on Linux
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * kUnit;
}

}  // namespace prune2to4
