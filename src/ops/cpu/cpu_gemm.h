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

  // For chains.
  const TiledKernel& tiled_kernel() const { return tiled_; }
  const std::string& tiled_kernel_name() const { return tiled_name_; }
  TiledWeight tiled_weight() const { return tiled_layout_.of(rows_, tiled_); }

 private:
  // Made when it is first asked for.
  class Layout {
   public:
    TiledWeight of(const RowsLayout& weight, const TiledKernel& kernel) const {
      std::call_once(once_, [&] { layout_.emplace(weight, kernel); });
      return layout_->view();
    }

   private:
    mutable std::once_flag once_;
    mutable std::optional<TiledLayout> layout_;
  };

  enum class Way { kTiled, kCoded, kRows };
  void offer(Way way, std::string name);

  const TiledKernel& tiled_;
  const TiledKernel& coded_;
  const RowsKernel& by_rows_;
  RowsLayout rows_;
  std::string tiled_name_;
  std::vector<Way> ways_;
  std::vector<std::string> names_;  // of `ways_`
  Layout tiled_layout_;
  Layout code_layout_;
};

}  // namespace prune2to4::cpu
