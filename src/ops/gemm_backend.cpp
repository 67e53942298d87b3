// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda_library.h"
#include "ops/kernel_choice.h"
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

ProductShape measured_shape(const GemmBackend& backend, at::Device device, at::ScalarType dtype, int64_t out,
                            int64_t in, int64_t tokens, Epilogue epilogue, bool sparse) {
  return {device.index(),   dtype, out, in, token_bucket(tokens, backend.buckets()), epilogue, sparse,
          backend.threads()};
}

GemmBackend* gemm_backend(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return loaded.backend;
}

}  // namespace prune2to4
