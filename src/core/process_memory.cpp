// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/process_memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <limits>

namespace prune2to4 {

int64_t process_peak_bytes() {
  constexpr int64_t kUnit = 1024;  // of ru_maxrss, on Linux
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * kUnit;
}

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

}  // namespace prune2to4
