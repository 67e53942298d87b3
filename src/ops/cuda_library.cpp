// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda_library.h"

#include <dlfcn.h>

#include <filesystem>

namespace prune2to4 {
namespace {

constexpr const char* kLibrary = "libprune2to4_ops_cuda.so";

}  // namespace

void* cuda_library_entry(const char* name, std::string& reason) {
  Dl_info self{};
  if (::dladdr(reinterpret_cast<const void*>(&cuda_library_entry), &self) == 0) {
    reason = "no dladdr";
    return nullptr;
  }
  const auto path = std::filesystem::path(self.dli_fname).parent_path() / kLibrary;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = ::dlerror();
    reason = error == nullptr ? "it cannot be loaded" : error;
    return nullptr;
  }
  void* entry = ::dlsym(library, name);
  if (entry == nullptr) reason = path.string() + " is another version's";
  return entry;
}

}  // namespace prune2to4
