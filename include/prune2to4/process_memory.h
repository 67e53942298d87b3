// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace prune2to4 {

// The most memory that this process has had resident so far, in bytes.
int64_t process_peak_bytes();

// From now on what is freed stays with the process, for what is made next. Otherwise glibc takes new pages
// from the system for each tensor of more than 32 MB, which takes as long as some products that fill one.
void keep_freed_memory();

}  // namespace prune2to4
