// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/device.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

// Number of usable CUDA devices; why there is none goes to `reason`.
int64_t cuda_devices(std::string& reason) {
  // Registers LibTorch's CUDA kernels; lies beside libtorch_cpu.so, whose run path finds it.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    reason = "this LibTorch is built without CUDA";
    return 0;
  }
  if (!at::hasCUDA()) {
    reason = "no NVIDIA driver or device was found";
    return 0;
  }
  return at::detail::getCUDAHooks().deviceCount();
}

}  // namespace

at::Device resolve_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  const bool any = name == "auto";
  if (!any && name != "cuda" &&
      !(name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
        name.find_first_not_of("0123456789", 5) == std::string::npos)) {
    throw Error(ExitStatus::kUsage, "device", "'" + name + "' is no device; use auto, cpu, cuda or cuda:N");
  }
  // Without the driver's library there is nothing to load LibTorch's for.
  std::string reason = "no NVIDIA driver was found";
  const bool driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) != nullptr;
  const int64_t count = driver ? cuda_devices(reason) : 0;
  if (any && count == 0) return at::kCPU;
  const int64_t index = name.size() > 5 ? std::stoll(name.substr(5)) : 0;
  if (count == 0)
    throw Error(ExitStatus::kDevice, "device", "no CUDA device: " + reason + "; use --device cpu");
  if (index >= count) {
    throw Error(ExitStatus::kDevice, "device",
                "there is no " + name + "; this machine has " + std::to_string(count) + " CUDA device(s)");
  }
  return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
}

}  // namespace prune2to4
