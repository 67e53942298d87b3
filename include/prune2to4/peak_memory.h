// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace prune2to4 {

// The most memory that this process has had resident so far, in bytes.
int64_t process_peak_bytes();

}  // namespace prune2to4
