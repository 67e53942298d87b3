// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/norm_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>

#include "ops/kernel_cache.h"
#include "ops/kernel_choice.h"
#include "ops/sparse_gemm.h"

namespace prune2to4 {
namespace {

GemmBackend* backend() {
  std::string reason;
  return gemm_backend(reason);
}

// The 2:4 weight of one layer, and the choice of its kernel.
class NormProduct {
 public:
  NormProduct(const at::Tensor& weight, std::string name)
      : name_(std::move(name)),
        backend_(backend()),
        sparse_(backend_->compress(weight)),
        device_(weight.device()),
        dtype_(weight.scalar_type()),
        out_(weight.size(0)),
        in_(weight.size(1)) {}

  const std::string& name() const { return name_; }
  int64_t out() const { return out_; }

  at::Tensor run(const NormOperands& operands) const {
    at::Tensor d = at::empty({operands.x.size(0), out_}, operands.x.options());
    if (d.numel() == 0) return d;
    const bool ran = sparse_->run_norm(choose(operands, d), operands, d);
    TORCH_CHECK(ran, "[linear] layer '", name_, "': no 2:4 kernel takes ", operands.x.sizes());
    return d;
  }

  std::string kernel(int64_t tokens, Epilogue epilogue) const {
    const auto known = known_fastest(shape(tokens, epilogue));
    return known ? "2:4 " + sparse_->kernels(epilogue)[*known] : "not yet measured";
  }

 private:
  ProductShape shape(int64_t tokens, Epilogue epilogue) const {
    return measured_shape(*backend_, device_, dtype_, out_, in_, tokens, epilogue, /*sparse=*/true);
  }

  size_t choose(const NormOperands& operands, at::Tensor& d) const {
    const ProductShape what = shape(operands.x.size(0), operands.epilogue());
    if (const auto known = known_fastest(what)) return *known;
    if (backend_->capturing()) return 0;  // nothing can be timed
    std::vector<Candidate> timed;
    const std::vector<std::string>& names = sparse_->kernels(what.epilogue);
    for (size_t kernel = 0; kernel < names.size(); ++kernel) {
      timed.push_back({"2:4 " + names[kernel], [&, kernel]() -> std::optional<double> {
                         if (!sparse_->run_norm(kernel, operands, d)) return std::nullopt;
                         return backend_->milliseconds([&] { sparse_->run_norm(kernel, operands, d); });
                       }});
    }
    return fastest(what, timed, kernel_cache(backend_->environment(device_)));
  }

  std::string name_;
  GemmBackend* backend_;
  std::unique_ptr<SparseGemm> sparse_;
  at::Device device_;
  at::ScalarType dtype_;
  int64_t out_;
  int64_t in_;
};

at::Tensor dense_like(const PackedWeight& weight, const at::Tensor& bias, at::ScalarType dtype) {
  return weight.unpack().to(bias.device(), dtype);
}

at::Tensor terms_of(const at::Tensor& factors, const at::Tensor& bias) {
  return at::stack({factors.to(at::kFloat), bias.to(at::kFloat)}, 1).contiguous();
}

}  // namespace

at::Tensor empty_norms(const at::Tensor& x) {
  return at::empty({x.size(0) + kNormsTogether, 2}, x.options().dtype(at::kFloat));
}

bool products_take_norms(const PackedWeight& weight, at::Device device, at::ScalarType dtype) {
  GemmBackend* gemms = device.is_cuda() ? backend() : nullptr;
  return gemms != nullptr && gemms->takes_norms(device) &&
         gemms->missing(device, dtype, weight.rows(), weight.cols()).empty() &&
         weight.rows() % kNormMultiple == 0 && weight.cols() % kNormMultiple == 0 &&
         weight.cols() >= kLeastNormInputs;
}

struct LinearOfNorm::Impl {
  NormProduct product;
  at::Tensor terms;
};

LinearOfNorm::LinearOfNorm(const PackedWeight& weight, const at::Tensor& bias, const LayerNorm& norm) {
  const at::Tensor wide = dense_like(weight, bias, at::kDouble);
  at::Tensor moved = bias.to(at::kDouble);
  at::Tensor scaled = wide;
  if (norm.weight.defined()) {
    scaled = wide * norm.weight.to(at::kDouble);
    moved = moved + wide.mv(norm.bias.to(at::kDouble));
  }
  const at::Tensor rounded = scaled.to(bias.scalar_type());
  // Of the weight as it is rounded: what a row's mean adds is then taken off to the last bit but fp32's.
  const at::Tensor sums = rounded.to(at::kDouble).sum(1);
  impl_.reset(new Impl{NormProduct(rounded, weight.name()), terms_of(sums, moved)});
}
LinearOfNorm::~LinearOfNorm() = default;
LinearOfNorm::LinearOfNorm(LinearOfNorm&&) noexcept = default;

at::Tensor LinearOfNorm::run(const HiddenRows& h, Activation activation) const {
  NormOperands operands;
  operands.x = h.rows;
  operands.norms = h.norms;
  operands.terms = impl_->terms;
  operands.activation = activation;
  return impl_->product.run(operands);
}

const std::string& LinearOfNorm::name() const { return impl_->product.name(); }
std::string LinearOfNorm::kernel(int64_t tokens, Activation activation) const {
  return impl_->product.kernel(tokens, {activation, false, true});
}

struct LinearPlusNorm::Impl {
  NormProduct product;
  at::Tensor terms;
  double epsilon;
};

LinearPlusNorm::LinearPlusNorm(const PackedWeight& weight, const at::Tensor& bias, const LayerNorm& norm) {
  const bool normed = !norm.weight.defined();
  const at::Tensor wide = bias.to(at::kFloat);
  const at::Tensor terms =
      normed ? terms_of(at::ones_like(wide), wide) : terms_of(norm.weight, wide + norm.bias);
  impl_.reset(new Impl{NormProduct(dense_like(weight, bias, bias.scalar_type()), weight.name()), terms,
                       norm.epsilon});
}
LinearPlusNorm::~LinearPlusNorm() = default;
LinearPlusNorm::LinearPlusNorm(LinearPlusNorm&&) noexcept = default;

HiddenRows LinearPlusNorm::run(const at::Tensor& x, const HiddenRows& h) const {
  NormOperands operands;
  operands.x = x;
  operands.norms = h.norms;
  operands.terms = impl_->terms;
  operands.residual = h.rows;
  operands.new_norms = empty_norms(x);
  operands.epsilon = impl_->epsilon;
  at::Tensor rows = impl_->product.run(operands);
  return {std::move(rows), operands.new_norms};
}

const std::string& LinearPlusNorm::name() const { return impl_->product.name(); }
std::string LinearPlusNorm::kernel(int64_t tokens) const {
  return impl_->product.kernel(tokens, {Activation::kNone, true, true});
}

}  // namespace prune2to4
