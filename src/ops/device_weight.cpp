// SPDX-License-Identifier: Apache-2.0
#include "ops/device_weight.h"

#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <memory>
#include <set>

#include "ops/cpu/cpu_backend.h"
#include "ops/kernel_cache.h"
#include "ops/kernel_choice.h"
#include "ops/product_sweep.h"

namespace prune2to4 {
namespace {

// Of all candidates the first: LibTorch's dense product, which takes every shape.
constexpr size_t kLibTorch = 0;

bool is_half(at::ScalarType dtype) { return dtype == at::kHalf || dtype == at::kBFloat16; }

// cuBLASLt fuses GELU in its tanh form, off by at most 4.7e-4.
at::Tensor libtorch_product(const Operands& operands, const at::Tensor& weight) {
  const auto& [x, bias, activation, residual] = operands;
  if (activation == Activation::kNone) {
    at::Tensor y = at::linear(x, weight, bias);
    return residual ? y.add_(*residual) : y;
  }
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

Operands aligned(const Operands& operands) {
  const auto each = [](const std::optional<at::Tensor>& tensor) {
    return tensor ? std::optional(aligned(*tensor)) : std::nullopt;
  };
  return {aligned(operands.x), each(operands.bias), operands.activation, each(operands.residual)};
}

Operands first_tokens(const Operands& operands, int64_t tokens) {
  const int64_t count = std::min(tokens, operands.x.size(0));
  Operands first = operands;
  first.x = operands.x.narrow(0, 0, count);
  if (operands.residual) first.residual = operands.residual->narrow(0, 0, count);
  return first;
}

}  // namespace

DeviceWeight::DeviceWeight(at::Tensor dense)
    : dense_(aligned(dense)),
      out_(dense.size(0)),
      in_(dense.size(1)),
      device_(dense.device()),
      dtype_(dense.scalar_type()) {
  std::string reason;
  if (device_.is_cpu()) backend_ = cpu_backend(dtype_, out_, in_);
  if (device_.is_cuda() && is_half(dtype_)) backend_ = gemm_backend(reason);
  if (backend_ != nullptr && backend_->dense_kernels().empty()) backend_ = nullptr;
}

DeviceWeight::DeviceWeight(const PackedWeight& packed, at::Device device, at::ScalarType dtype)
    : packed_(&packed), out_(packed.rows()), in_(packed.cols()), device_(device), dtype_(dtype) {
  std::string reason;
  if (device.is_cpu()) {
    backend_ = cpu_backend(dtype, out_, in_);
    if (backend_ == nullptr) return;
  } else {
    if (!device.is_cuda() || !is_half(dtype)) return;
    backend_ = gemm_backend(reason);
  }
  if (backend_ != nullptr) reason = backend_->missing(device, dtype, out_, in_);
  if (reason.empty()) {
    sparse_ =
        backend_->compress_for_all([&packed, device, dtype] { return packed.unpack().to(device, dtype); });
    return;
  }
  TORCH_WARN_ONCE("[prune2to4] the dense kernel takes the place of the 2:4 one, of layer '", packed.name(),
                  "' and perhaps others: ", reason);
}

at::Tensor DeviceWeight::dense() const {
  return packed_ == nullptr ? dense_ : packed_->dense(device_, dtype_);
}

at::Tensor DeviceWeight::unpacked() const {
  return packed_ == nullptr ? dense_ : packed_->unpack().to(device_, dtype_);
}

at::Tensor DeviceWeight::reordered() const {
  if (!backend_->reorders()) return dense();
  std::call_once(reordered_once_, [this] { reordered_ = backend_->reordered(unpacked()); });
  return reordered_;
}

ProductShape DeviceWeight::shape(int64_t tokens, Epilogue epilogue) const {
  return measured_shape(*backend_, device_, dtype_, out_, in_, tokens, epilogue, sparse_ != nullptr);
}

std::vector<std::string> DeviceWeight::candidates(Epilogue epilogue) const {
  std::vector<std::string> names{"dense"};
  for (const std::string& kernel : backend_->dense_kernels()) names.push_back("dense, " + kernel);
  if (!sparse_) return names;
  for (const std::string& kernel : sparse_->kernels(epilogue)) names.push_back("2:4 " + kernel);
  return names;
}

at::Tensor DeviceWeight::run(const Operands& operands) const {
  if (backend_ == nullptr || operands.x.size(0) == 0) return libtorch_product(operands, dense());
  const Operands ready = aligned(operands);
  const Dense forms{[this] { return dense(); }, [this] { return reordered(); }};
  const at::Tensor found = run(choose(ready), ready, forms);
  return found.defined() ? found : run(kLibTorch, ready, forms);
}

at::Tensor DeviceWeight::run(size_t candidate, const Operands& operands, const Dense& dense) const {
  if (candidate == kLibTorch) return libtorch_product(operands, dense.plain());
  at::Tensor d = at::empty({operands.x.size(0), out_}, operands.x.options());
  const size_t kernel = candidate - 1;
  const size_t dense_kernels = backend_->dense_kernels().size();
  const bool ran = kernel < dense_kernels ? backend_->run_dense(kernel, dense.reordered(), operands, d)
                                          : sparse_->run(kernel - dense_kernels, operands, d);
  return ran ? d : at::Tensor();
}

bool DeviceWeight::proven(size_t candidate, Epilogue epilogue) const {
  const size_t dense = 1 + backend_->dense_kernels().size();
  return candidate < dense || sparse_->proven(candidate - dense, epilogue);
}

size_t DeviceWeight::choose(const Operands& all) const {
  const ProductShape what = shape(all.x.size(0), all.epilogue());
  if (const auto known = known_fastest(what)) return *known;
  const Operands operands = first_tokens(all, backend_->timed_tokens(what.tokens, out_, in_));
  // While work is recorded nothing can be timed: the first 2:4 kernel, where there are any.
  if (backend_->capturing()) return sparse_ ? 1 + backend_->dense_kernels().size() : kLibTorch;
  KernelCache* cache = kernel_cache(backend_->environment(device_));
  const auto timed_for = [&](ProductShape product, std::vector<Candidate> ways,
                             std::set<std::string> skipped) {
    if (!device_.is_cuda()) return ways;
    product.tokens = operands.x.size(0);
    const auto safe = [this, epilogue = product.epilogue](size_t way) { return proven(way, epilogue); };
    return timed_elsewhere({product, operands.bias.has_value(), std::move(skipped)}, std::move(ways), safe,
                           cache);
  };
  std::vector<Candidate> ways = timed(operands);
  const size_t dense = 1 + backend_->dense_kernels().size();
  if (!sparse_ || dense == 1) return fastest(what, timed_for(what, std::move(ways), {}), cache);
  // Of the dense ways the one that a dense weight of this shape takes: where it is the fastest of all, a
  // sparse model must not be slower than its dense twin by the chance of another measurement.
  ProductShape twin = what;
  twin.sparse = false;
  std::vector<Candidate> of_twin(ways.begin(), ways.begin() + static_cast<std::ptrdiff_t>(dense));
  const size_t best = fastest(twin, timed_for(twin, std::move(of_twin), {}), cache);
  std::set<std::string> slower;
  for (size_t way = 0; way < dense; ++way) {
    if (way == best) continue;
    slower.insert(ways[way].kernel);
    ways[way].milliseconds = [] { return std::nullopt; };
  }
  return fastest(what, timed_for(what, std::move(ways), std::move(slower)), cache);
}

std::vector<Candidate> DeviceWeight::timed(const Operands& operands) const {
  // Not the kept copy: where a sparse product is the fastest, none is kept.
  const auto once = [](const Make& make) {
    return [make, made = std::make_shared<at::Tensor>()] {
      if (!made->defined()) *made = make();
      return *made;
    };
  };
  const Make plain = once([this] { return unpacked(); });
  const Dense forms{plain, once([this, plain] { return backend_->reordered(plain()); })};
  const std::vector<std::string> names = candidates(operands.epilogue());
  std::vector<Candidate> ways;
  for (size_t candidate = 0; candidate < names.size(); ++candidate) {
    const auto product = [this, candidate, operands, forms] { return run(candidate, operands, forms); };
    ways.push_back({names[candidate], [this, product]() -> std::optional<double> {
                      if (!product().defined()) return std::nullopt;
                      return backend_->milliseconds(product);
                    }});
  }
  return ways;
}

std::string DeviceWeight::kernel(int64_t tokens, Epilogue epilogue) const {
  if (backend_ == nullptr) return "dense";
  const auto known = known_fastest(shape(tokens, epilogue));
  return known ? candidates(epilogue)[*known] : "not yet measured";
}

}  // namespace prune2to4
