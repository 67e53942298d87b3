// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "prune2to4/cuda_backend.h"

namespace prune2to4 {

// See CudaBackend::capture. One at a time in a process.
std::unique_ptr<CapturedWork> capture_work(at::Device device, const std::function<void()>& work);

}  // namespace prune2to4
