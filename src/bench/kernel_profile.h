// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "prune2to4/bench_report.h"

namespace prune2to4 {

// The kernels that a GPU runs for `work`, which must wait for it: seconds by name, longest first. By
// LibTorch's profiler (Kineto); empty where that knows nothing of the GPU.
std::vector<KernelTime> profile_kernels(const std::function<void()>& work);

// A kernel's demangled name, shortened to what tells it from others: without arguments, the outer namespaces,
// and most of its template's parameters.
std::string short_kernel_name(const std::string& name);

}  // namespace prune2to4
