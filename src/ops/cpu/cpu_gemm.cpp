// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/cpu_gemm.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "ops/cpu/product.h"
#include "ops/cpu/weight_code.h"

namespace prune2to4::cpu {
namespace {

// The kernel of rows falls behind long before.
constexpr int64_t kMostTokensByRows = 64;
// Where there is no kernel of rows the layout for one still holds the weight.
constexpr int64_t kLayoutLanes = 8;

enum Kernel : size_t { kByTokens, kByRows };

}  // namespace

CpuGemm::CpuGemm(const at::Tensor& weight, const Kernels& kernels)
    : tiled_(weight.scalar_type() == at::kBFloat16 && kernels.tiled_bfloat16.lanes > 0
                 ? kernels.tiled_bfloat16
                 : kernels.tiled_float),
      by_tokens_(&tiled_ == &kernels.tiled_float && kernels.coded_float.lanes > 0 && WeightCode::runs()
                     ? kernels.coded_float
                     : tiled_),
      by_rows_(kernels.rows),
      rows_(weight.to(at::kFloat).contiguous().const_data_ptr<float>(), weight.size(0), weight.size(1) / 4,
            by_rows_.lanes > 0 ? by_rows_.lanes : kLayoutLanes),
      tiled_name_(std::string(kernels.name) + ", by tokens"),
      names_{tiled_name_ + (by_tokens_.form == WeightForm::kCode ? ", JIT" : "")} {
  if (by_rows_.lanes > 0) names_.push_back(std::string(kernels.name) + ", by rows");
}

bool CpuGemm::run(size_t kernel, const Operands& operands, at::Tensor& d) const {
  const at::Tensor& x = operands.x;
  const int64_t tokens = x.size(0);
  if (kernel == kByRows && tokens > kMostTokensByRows) return false;
  const at::Tensor bias = operands.bias ? operands.bias->to(at::kFloat) : at::Tensor();
  Output output;
  if (bias.defined()) output.bias = bias.const_data_ptr<float>();
  output.gelu = operands.activation == Activation::kGelu;
  if (operands.residual) output.residual = operands.residual->const_data_ptr();
  output.out = d.mutable_data_ptr();
  output.element = x.scalar_type() == at::kBFloat16 ? Element::kBFloat16 : Element::kFloat;
  if (kernel == kByRows) {
    const at::Tensor inputs = x.to(at::kFloat);
    multiply_rows(by_rows_, rows_.view(), inputs.const_data_ptr<float>(), tokens, output);
  } else {
    const Layout& layout = &by_tokens_ == &tiled_ ? tiled_layout_ : code_layout_;
    multiply_tiled(by_tokens_, layout.of(rows_, by_tokens_), x.const_data_ptr(), tokens, output);
  }
  return true;
}

std::unique_ptr<SparseGemm> compress(const at::Tensor& weight, const Kernels& kernels) {
  return std::make_unique<CpuGemm>(weight, kernels);
}

}  // namespace prune2to4::cpu
