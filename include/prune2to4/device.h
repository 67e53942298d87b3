// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace prune2to4 {

// "cpu", "cuda", "cuda:N", or "auto": the first CUDA device where there is one, else the CPU. LibTorch's CUDA
// library is loaded only when it is asked for: it costs a second.
// Throws Error(kUsage) for another name, Error(kDevice) when the device is not there.
at::Device resolve_device(const std::string& name);

}  // namespace prune2to4
