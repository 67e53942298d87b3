// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace prune2to4 {

// A function of libprune2to4_ops_cuda.so, which lies beside libprune2to4_ops.so and is loaded here. nullptr,
// and why, where it is not there or cannot be loaded.
void* cuda_library_entry(const char* name, std::string& reason);

}  // namespace prune2to4
