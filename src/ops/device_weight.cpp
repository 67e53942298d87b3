// SPDX-License-Identifier: Apache-2.0
#include "ops/device_weight.h"

#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <c10/util/Exception.h>

#include "ops/kernel_cache.h"
#include "ops/kernel_choice.h"

namespace prune2to4 {
namespace {

// Candidates of fastest(): the dense product, then the sparse kernels.
constexpr size_t kDense = 0;

bool is_half(at::ScalarType dtype) { return dtype == at::kHalf || dtype == at::kBFloat16; }

// cuBLASLt fuses GELU in its tanh form, off by at most 4.7e-4.
at::Tensor dense_product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                         Activation activation) {
  if (activation == Activation::kNone) return at::linear(x, weight, bias);
  if (x.is_cuda() && is_half(x.scalar_type()) && bias) {
    return at::_addmm_activation(*bias, x, weight.t(), 1, 1, /*use_gelu=*/true);
  }
  return at::gelu(at::linear(x, weight, bias));
}

bool is_aligned(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0;
}

at::Tensor aligned(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  return is_aligned(dense) ? dense : dense.clone();
}

}  // namespace

DeviceWeight::DeviceWeight(at::Tensor dense)
    : dense_(std::move(dense)), device_(dense_.device()), dtype_(dense_.scalar_type()) {}

DeviceWeight::DeviceWeight(const PackedWeight& packed, at::Device device, at::ScalarType dtype)
    : packed_(&packed), device_(device), dtype_(dtype) {
  if (!device.is_cuda() || !is_half(dtype)) return;
  std::string reason;
  backend_ = gemm_backend(reason);
  if (backend_ != nullptr) reason = backend_->missing(device, dtype, packed.rows(), packed.cols());
  if (reason.empty()) {
    sparse_ = backend_->compress(packed.unpack().to(device, dtype));
    return;
  }
  TORCH_WARN_ONCE("[prune2to4] the dense kernel takes the place of the 2:4 one, of layer '", packed.name(),
                  "' and perhaps others: ", reason);
}

at::Tensor DeviceWeight::dense() const {
  return packed_ == nullptr ? dense_ : packed_->dense(device_, dtype_);
}

ProductShape DeviceWeight::shape(int64_t tokens, Activation activation) const {
  return {device_.index(), dtype_, packed_->rows(), packed_->cols(), token_bucket(tokens), activation};
}

at::Tensor DeviceWeight::run(const at::Tensor& x, const std::optional<at::Tensor>& bias,
                             Activation activation) const {
  if (sparse_ && x.size(0) > 0) return run_sparse(aligned(x), bias, activation);
  return dense_product(x, dense(), bias, activation);
}

at::Tensor DeviceWeight::run_sparse(const at::Tensor& x, const std::optional<at::Tensor>& bias,
                                    Activation activation) const {
  std::optional<at::Tensor> aligned_bias;
  if (bias) aligned_bias = aligned(*bias);
  at::Tensor d = at::empty({x.size(0), packed_->rows()}, x.options());
  const size_t chosen = choose(x, aligned_bias, activation, d);
  if (chosen != kDense && sparse_->run(chosen - 1, x, aligned_bias, activation, d)) return d;
  return dense_product(x, dense(), bias, activation);
}

size_t DeviceWeight::choose(const at::Tensor& x, const std::optional<at::Tensor>& bias, Activation activation,
                            at::Tensor& d) const {
  const ProductShape what = shape(x.size(0), activation);
  if (const auto known = known_fastest(what)) return *known;
  if (backend_->capturing()) return kDense + 1;
  // Not the kept copy: where the sparse product is faster, none is kept.
  const at::Tensor weight = packed_->unpack().to(device_, dtype_);
  std::vector<Candidate> candidates{
      {kernel_name(kDense, activation),
       [&] { return backend_->milliseconds([&] { dense_product(x, weight, bias, activation); }); }}};
  for (size_t kernel = 0; kernel < sparse_->kernels(activation).size(); ++kernel) {
    candidates.push_back({kernel_name(kernel + 1, activation), [&, kernel]() -> std::optional<double> {
                            const auto product = [&] { return sparse_->run(kernel, x, bias, activation, d); };
                            if (!product()) return std::nullopt;
                            return backend_->milliseconds(product);
                          }});
  }
  return fastest(what, candidates, kernel_cache(backend_->environment(device_)));
}

std::string DeviceWeight::kernel(int64_t tokens, Activation activation) const {
  if (!sparse_) return "dense";
  const auto known = known_fastest(shape(tokens, activation));
  return known ? kernel_name(*known, activation) : "not yet measured";
}

std::string DeviceWeight::kernel_name(size_t candidate, Activation activation) const {
  return candidate == kDense ? "dense" : "2:4 " + sparse_->kernels(activation)[candidate - 1];
}

}  // namespace prune2to4
