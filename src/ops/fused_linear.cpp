// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/fused_linear.h"

#include "ops/device_weight.h"

namespace prune2to4 {

struct FusedLinear::Impl {
  std::string name;
  c10::intrusive_ptr<PackedWeight> packed;  // owns what `weight` refers to
  std::shared_ptr<const DeviceWeight> weight;
  at::Tensor bias;
};

FusedLinear::FusedLinear(std::string name, at::Tensor weight, at::Tensor bias)
    : impl_(new Impl{
          std::move(name), {}, std::make_shared<DeviceWeight>(std::move(weight)), std::move(bias)}) {}

FusedLinear::FusedLinear(c10::intrusive_ptr<PackedWeight> weight, at::Tensor bias)
    : impl_(new Impl{weight->name(), weight, weight->on(bias.device(), bias.scalar_type()), bias}) {}

FusedLinear::~FusedLinear() = default;
FusedLinear::FusedLinear(FusedLinear&&) noexcept = default;
FusedLinear& FusedLinear::operator=(FusedLinear&&) noexcept = default;

at::Tensor FusedLinear::run(const at::Tensor& x, Activation activation) const {
  return impl_->weight->run({x, impl_->bias, activation, {}});
}

at::Tensor FusedLinear::run_residual(const at::Tensor& x, const at::Tensor& residual) const {
  return impl_->weight->run({x, impl_->bias, Activation::kNone, residual});
}

const std::string& FusedLinear::name() const { return impl_->name; }
std::string FusedLinear::kernel(int64_t tokens, Activation activation) const {
  return impl_->weight->kernel(tokens, {activation, false});
}
std::string FusedLinear::residual_kernel(int64_t tokens) const {
  return impl_->weight->kernel(tokens, {Activation::kNone, true});
}

}  // namespace prune2to4
