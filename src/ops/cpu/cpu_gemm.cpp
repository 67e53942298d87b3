// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/cpu_gemm.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "ops/cpu/parallel.h"
#include "ops/cpu/product.h"
#include "ops/cpu/weight_code.h"

namespace prune2to4::cpu {
namespace {

// The kernel of rows falls behind long before.
constexpr int64_t kMostTokensByRows = 64;
// Where there is no kernel of rows the layout for one still holds the weight.
constexpr int64_t kLayoutLanes = 8;

thread_local Scratch bias_memory;

// Of a vector. To make a tensor for it would take as long as a small product.
const float* as_floats(const at::Tensor& vector) {
  if (vector.scalar_type() == at::kFloat) return vector.const_data_ptr<float>();
  const auto* from = vector.const_data_ptr<at::BFloat16>();
  float* to = bias_memory.floats(vector.numel());
  std::copy(from, from + vector.numel(), to);
  return to;
}

}  // namespace

// bf16 by pairs is half the instructions of what is computed in fp32. Where one takes four times as long, as
// on Sapphire Rapids, code in fp32 is the faster one; elsewhere it may not be.
CpuGemm::CpuGemm(const at::Tensor& weight, const Kernels& kernels)
    : tiled_(weight.scalar_type() == at::kBFloat16 && kernels.tiled_bfloat16.lanes > 0
                 ? kernels.tiled_bfloat16
                 : kernels.tiled_float),
      coded_(kernels.coded),
      by_rows_(kernels.rows),
      rows_(weight.to(at::kFloat).contiguous().const_data_ptr<float>(), weight.size(0), weight.size(1) / 4,
            by_rows_.lanes > 0 ? by_rows_.lanes : kLayoutLanes),
      tiled_name_(std::string(&tiled_ == &kernels.tiled_bfloat16 ? kernels.bfloat16_name : kernels.name) +
                  ", by tokens") {
  const bool has_code = coded_.lanes > 0 && WeightCode::runs();
  const std::string set = kernels.name;
  if (!has_code || &tiled_ == &kernels.tiled_bfloat16) offer(Way::kTiled, tiled_name_);
  if (has_code) offer(Way::kCoded, set + ", by tokens, JIT");
  if (by_rows_.lanes > 0) offer(Way::kRows, set + ", by rows");
}

void CpuGemm::offer(Way way, std::string name) {
  ways_.push_back(way);
  names_.push_back(std::move(name));
}

bool CpuGemm::run(size_t kernel, const Operands& operands, at::Tensor& d) const {
  const at::Tensor& x = operands.x;
  const int64_t tokens = x.size(0);
  const Way way = ways_[kernel];
  if (way == Way::kRows && tokens > kMostTokensByRows) return false;
  Output output;
  if (operands.bias) output.bias = as_floats(*operands.bias);
  output.gelu = operands.activation == Activation::kGelu;
  if (operands.residual) output.residual = operands.residual->const_data_ptr();
  output.out = d.mutable_data_ptr();
  output.element = x.scalar_type() == at::kBFloat16 ? Element::kBFloat16 : Element::kFloat;
  if (way == Way::kRows) {
    const at::Tensor inputs = x.to(at::kFloat);
    multiply_rows(by_rows_, rows_.view(), inputs.const_data_ptr<float>(), tokens, output);
  } else {
    const bool tiled = way == Way::kTiled;
    const TiledKernel& by_tokens = tiled ? tiled_ : coded_;
    multiply_tiled(by_tokens, (tiled ? tiled_layout_ : code_layout_).of(rows_, by_tokens), x.const_data_ptr(),
                   tokens, output);
  }
  return true;
}

std::unique_ptr<SparseGemm> compress(const at::Tensor& weight, const Kernels& kernels) {
  return std::make_unique<CpuGemm>(weight, kernels);
}

}  // namespace prune2to4::cpu
