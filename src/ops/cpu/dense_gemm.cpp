// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/dense_gemm.h"

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string_view>

namespace prune2to4::cpu {
namespace {

// The format depends on it; one for many tokens is as good for few, as measured.
constexpr int64_t kTokens = 1024;

std::optional<c10::OperatorHandle> find(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

// Operators of LibTorch's that torch.compile uses too; they have no C++ functions.
struct Operators {
  std::optional<c10::OperatorHandle> reorder = find("mkldnn::_reorder_linear_weight");
  std::optional<c10::OperatorHandle> linear = find("mkldnn::_linear_pointwise");
  std::optional<c10::OperatorHandle> add = find("mkldnn::_linear_pointwise", "binary");
};

const Operators& operators() {
  static const Operators all;
  return all;
}

}  // namespace

const std::vector<std::string>& dense_kernels(at::ScalarType dtype) {
  static const std::vector<std::string> none;
  static const std::vector<std::string> names{"oneDNN, reordered"};
  const auto& [reorder, linear, add] = operators();
  const bool there = at::globalContext().hasMKLDNN() && reorder && linear && add;
  return there && dtype == at::kBFloat16 ? names : none;
}

at::Tensor reordered(const at::Tensor& weight) {
  using Function = at::Tensor(const at::Tensor&, std::optional<int64_t>);
  try {
    return operators().reorder->typed<Function>().call(weight, kTokens);
  } catch (const c10::Error&) {
    return {};
  }
}

bool run_dense(const at::Tensor& reordered, const Operands& operands, at::Tensor& d) {
  if (!reordered.defined()) return false;
  if (operands.residual) {
    using Function = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                const std::optional<at::Tensor>&, std::string_view);
    d = operators().add->typed<Function>().call(operands.x, *operands.residual, reordered, operands.bias,
                                                "add");
    return true;
  }
  using Scalars = c10::List<std::optional<at::Scalar>>;
  using Function = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                              std::string_view, Scalars, std::optional<std::string_view>);
  const bool gelu = operands.activation == Activation::kGelu;
  d = operators().linear->typed<Function>().call(operands.x, reordered, operands.bias, gelu ? "gelu" : "none",
                                                 Scalars(), "none");
  return true;
}

}  // namespace prune2to4::cpu
