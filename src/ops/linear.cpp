// SPDX-License-Identifier: Apache-2.0
#include "ops/linear.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "ops/device_weight.h"

namespace prune2to4 {
namespace {

void check(const at::Tensor& input, const PackedWeight& weight, const std::optional<at::Tensor>& bias) {
  TORCH_CHECK(input.is_floating_point(), "[prune2to4::linear] layer '", weight.name(), "': input has dtype ",
              input.scalar_type(), "; a floating dtype is needed");
  TORCH_CHECK(input.dim() >= 1 && input.sym_size(-1) == weight.cols(), "[prune2to4::linear] layer '",
              weight.name(), "': input of shape ", input.sym_sizes(),
              " does not fit; the last dimension must be ", weight.cols());
  if (!bias) return;
  TORCH_CHECK(bias->dim() == 1 && bias->sym_size(0) == weight.rows(), "[prune2to4::linear] layer '",
              weight.name(), "': bias of shape ", bias->sym_sizes(), " does not fit; it must be [",
              weight.rows(), "]");
  TORCH_CHECK(bias->scalar_type() == input.scalar_type() && bias->device() == input.device(),
              "[prune2to4::linear] layer '", weight.name(), "': input is ", input.scalar_type(), " on ",
              input.device(), ", bias ", bias->scalar_type(), " on ", bias->device(),
              "; move the whole module");
}

at::Tensor redispatch(const at::Tensor& input, const PackedWeightPtr& weight,
                      const std::optional<at::Tensor>& bias) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("prune2to4::linear", "").typed<decltype(linear_dense)>();
  return op.call(input, weight, bias);
}

at::Tensor linear_autocast(const at::Tensor& input, const PackedWeightPtr& weight,
                           const std::optional<at::Tensor>& bias, at::DeviceType device,
                           c10::DispatchKey key) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(key);
  const at::ScalarType dtype = at::autocast::get_autocast_dtype(device);
  return redispatch(at::autocast::cached_cast(dtype, input, device), weight,
                    at::autocast::cached_cast(dtype, bias, device));
}

at::Tensor product(const at::Tensor& input, const PackedWeight& weight, const DeviceWeight& on,
                   const std::optional<at::Tensor>& bias) {
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = weight.rows();
  return on.run({input.reshape({-1, weight.cols()}), bias, Activation::kNone, {}}).view(sizes);
}

}  // namespace

at::Tensor linear_dense(const at::Tensor& input, const PackedWeightPtr& weight,
                        const std::optional<at::Tensor>& bias) {
  check(input, *weight, bias);
  return at::linear(input, weight->dense(input.device(), input.scalar_type()), bias);
}

at::Tensor linear_cpu(const at::Tensor& input, const PackedWeightPtr& weight,
                      const std::optional<at::Tensor>& bias) {
  check(input, *weight, bias);
  const auto on = weight->on(input.device(), input.scalar_type());
  return on->is_sparse() ? product(input, *weight, *on, bias) : linear_dense(input, weight, bias);
}

at::Tensor linear_cuda(const at::Tensor& input, const PackedWeightPtr& weight,
                       const std::optional<at::Tensor>& bias) {
  check(input, *weight, bias);
  return product(input, *weight, *weight->on(input.device(), input.scalar_type()), bias);
}

at::Tensor linear_meta(const at::Tensor& input, const PackedWeightPtr& weight,
                       const std::optional<at::Tensor>& bias) {
  check(input, *weight, bias);
  auto sizes = input.sym_sizes().vec();
  sizes.back() = weight->rows();
  return at::empty_symint(sizes, input.options());
}

at::Tensor linear_autograd(const at::Tensor& input, const PackedWeightPtr& weight,
                           const std::optional<at::Tensor>& bias) {
  const bool differentiable =
      at::GradMode::is_enabled() && (input.requires_grad() || (bias && bias->requires_grad()));
  if (differentiable) return linear_dense(input, weight, bias);
  const at::AutoDispatchBelowAutograd below;
  return redispatch(input, weight, bias);
}

at::Tensor linear_autocast_cpu(const at::Tensor& input, const PackedWeightPtr& weight,
                               const std::optional<at::Tensor>& bias) {
  return linear_autocast(input, weight, bias, at::kCPU, c10::DispatchKey::AutocastCPU);
}

at::Tensor linear_autocast_cuda(const at::Tensor& input, const PackedWeightPtr& weight,
                                const std::optional<at::Tensor>& bias) {
  return linear_autocast(input, weight, bias, at::kCUDA, c10::DispatchKey::AutocastCUDA);
}

}  // namespace prune2to4
