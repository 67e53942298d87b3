// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/cusparselt.h"

#include <c10/cuda/CUDAGuard.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <map>
#include <memory>

namespace prune2to4::cusparselt {
namespace {

// Beside LibTorch's CUDA part, which needs it as well where it is built with it.
constexpr const char* kLibrary = "libcusparseLt.so.0";

struct Loaded {
  Functions functions{};
  std::string reason;
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

bool find_all(void* library, Functions& f) {
  return find(library, "cusparseLtInit", f.init) && find(library, "cusparseLtGetProperty", f.get_property) &&
         find(library, "cusparseLtGetErrorString", f.error_string) &&
         find(library, "cusparseLtDenseDescriptorInit", f.init_dense) &&
         find(library, "cusparseLtStructuredDescriptorInit", f.init_structured) &&
         find(library, "cusparseLtMatDescriptorDestroy", f.destroy_matrix) &&
         find(library, "cusparseLtMatmulDescriptorInit", f.init_matmul) &&
         find(library, "cusparseLtMatmulDescSetAttribute", f.set_matmul) &&
         find(library, "cusparseLtMatmulAlgSelectionInit", f.init_algorithm) &&
         find(library, "cusparseLtMatmulAlgSelectionDestroy", f.destroy_algorithm) &&
         find(library, "cusparseLtMatmulAlgSetAttribute", f.set_algorithm) &&
         find(library, "cusparseLtMatmulAlgGetAttribute", f.get_algorithm) &&
         find(library, "cusparseLtMatmulPlanInit", f.init_plan) &&
         find(library, "cusparseLtMatmulPlanDestroy", f.destroy_plan) &&
         find(library, "cusparseLtMatmulGetWorkspace", f.get_workspace) &&
         find(library, "cusparseLtMatmul", f.matmul) &&
         find(library, "cusparseLtSpMMACompressedSize2", f.compressed_size) &&
         find(library, "cusparseLtSpMMACompress2", f.compress);
}

Loaded load() {
  Loaded loaded;
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = ::dlerror();
    loaded.reason = "cuSPARSELt cannot be loaded: " + std::string(error == nullptr ? kLibrary : error);
    return loaded;
  }
  int major = -1;
  int minor = -1;
  // Until its 1.0 a minor version may change what the opaque structures hold.
  if (!find_all(library, loaded.functions) ||
      loaded.functions.get_property(MAJOR_VERSION, &major) != CUSPARSE_STATUS_SUCCESS ||
      loaded.functions.get_property(MINOR_VERSION, &minor) != CUSPARSE_STATUS_SUCCESS ||
      major != CUSPARSELT_VER_MAJOR || minor != CUSPARSELT_VER_MINOR) {
    loaded.reason = "cuSPARSELt is of version " + std::to_string(major) + "." + std::to_string(minor) +
                    ", and this build is for " + std::to_string(CUSPARSELT_VER_MAJOR) + "." +
                    std::to_string(CUSPARSELT_VER_MINOR);
  }
  return loaded;
}

}  // namespace

const Functions* functions(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return reason.empty() ? &loaded.functions : nullptr;
}

void check(const Functions& of, cusparseStatus_t status, const char* what) {
  TORCH_CHECK(status == CUSPARSE_STATUS_SUCCESS, "[linear] cuSPARSELt, ", what, ": ",
              of.error_string(status));
}

DeviceHandle& device_handle(int device) {
  static std::mutex mutex;
  static auto* const handles = new std::map<int, std::unique_ptr<DeviceHandle>>;
  const std::scoped_lock lock(mutex);
  std::unique_ptr<DeviceHandle>& handle = (*handles)[device];
  if (!handle) {
    std::string reason;
    const Functions* of = functions(reason);
    TORCH_CHECK(of != nullptr, "[linear] ", reason);
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
    std::unique_ptr<DeviceHandle> made(new DeviceHandle{*of, {}, {}});
    check(*of, of->init(&made->handle), "handle");
    handle = std::move(made);
  }
  return *handle;
}

}  // namespace prune2to4::cusparselt
