// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/weight_layout.h"

namespace prune2to4::cpu {

// What compress() makes.
class CpuGemm final : public SparseGemm {
 public:
  CpuGemm(const at::Tensor& weight, const Kernels& kernels);

  const std::vector<std::string>& kernels(Epilogue) const override { return names_; }
  bool run(size_t kernel, const Operands& operands, at::Tensor& d) const override;

  const TiledKernel& tiled_kernel() const { return tiled_; }
  const std::string& tiled_kernel_name() const { return names_.front(); }
  // Made when it is first asked for.
  TiledWeight tiled_weight() const;

 private:
  const TiledKernel& tiled_;
  const RowsKernel& by_rows_;
  RowsLayout rows_;
  std::vector<std::string> names_;
  mutable std::once_flag tiled_once_;
  mutable std::optional<TiledLayout> tiled_layout_;
};

}  // namespace prune2to4::cpu
