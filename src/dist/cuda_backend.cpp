// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/cuda_backend.h"

#include <dlfcn.h>

#include <filesystem>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr const char* kLibrary = "libprune2to4_cuda.so";

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ExitStatus::kDevice, "device",
              "this prune2to4 was built without its CUDA part (" + std::string(kLibrary) + "): " + reason +
                  "; use --device cpu, or build it where nvcc and LibTorch with CUDA are");
}

CudaBackend& load() {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  void* library = nullptr;
  std::string reason = "it is neither beside the program nor on the loader's path";
  for (const auto& path :
       {folder / kLibrary, folder / "../lib" / kLibrary, std::filesystem::path(kLibrary)}) {
    const bool there = path.has_parent_path() && std::filesystem::exists(path, ignored);
    if (path.has_parent_path() && !there) continue;
    library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library != nullptr) break;
    const char* error = ::dlerror();
    if (there) fail(error == nullptr ? "it cannot be loaded" : error);
  }
  if (library == nullptr) fail(reason);
  using Entry = CudaBackend* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, "prune2to4_cuda_backend"));
  CudaBackend* backend = entry == nullptr ? nullptr : entry();
  if (backend == nullptr) fail("it is another version's");
  return *backend;
}

}  // namespace

CudaBackend& cuda_backend() {
  static CudaBackend& backend = load();
  return backend;
}

}  // namespace prune2to4
