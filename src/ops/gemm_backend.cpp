// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <filesystem>

#include "ops/sparse_gemm.h"

namespace prune2to4 {
namespace {

constexpr const char* kLibrary = "libprune2to4_ops_cuda.so";

struct Loaded {
  GemmBackend* backend = nullptr;
  std::string reason;
};

Loaded load() {
  Dl_info self{};
  if (::dladdr(reinterpret_cast<const void*>(&gemm_backend), &self) == 0) return {nullptr, "no dladdr"};
  const auto path = std::filesystem::path(self.dli_fname).parent_path() / kLibrary;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* error = ::dlerror();
    return {nullptr, error == nullptr ? "it cannot be loaded" : error};
  }
  using Entry = GemmBackend* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, "prune2to4_gemm_backend"));
  if (entry == nullptr) return {nullptr, path.string() + " is another version's"};
  return {entry(), ""};
}

}  // namespace

GemmBackend* gemm_backend(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return loaded.backend;
}

}  // namespace prune2to4
