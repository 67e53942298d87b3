// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda_library.h"
#include "ops/sparse_gemm.h"

namespace prune2to4 {
namespace {

struct Loaded {
  GemmBackend* backend = nullptr;
  std::string reason;
};

Loaded load() {
  Loaded loaded;
  using Entry = GemmBackend* (*)();
  const auto entry = reinterpret_cast<Entry>(cuda_library_entry("prune2to4_gemm_backend", loaded.reason));
  if (entry != nullptr) loaded.backend = entry();
  return loaded;
}

}  // namespace

GemmBackend* gemm_backend(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return loaded.backend;
}

}  // namespace prune2to4
