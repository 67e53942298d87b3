// SPDX-License-Identifier: Apache-2.0
#include "ops/product_sweep.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <memory>
#include <utility>

#include "ops/device_weight.h"
#include "ops/kernel_cache.h"
#include "ops/sweeper.h"
#include "prune2to4/packed_weight.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

constexpr const char* kProgram = "prune2to4_sweep";

// Destroyed with the process, and its program then: nobody else might wait for that.
Sweeper& sweeper() {
  static Sweeper made([] {
    Dl_info self{};
    std::filesystem::path folder;
    if (::dladdr(reinterpret_cast<const void*>(&timed_elsewhere), &self) != 0) {
      folder = std::filesystem::path(self.dli_fname).parent_path();
    }
    return std::filesystem::absolute(folder / kProgram);
  }());
  return made;
}

// Of this process: not all caches can be written. Used by one thread at a time, as fastest() measures.
std::set<std::string>& failed_here() {
  static std::set<std::string> all;
  return all;
}

class Elsewhere {
 public:
  Elsewhere(SweepRequest request, KernelCache* cache) : request_(std::move(request)), cache_(cache) {}

  bool has_failed(const std::string& kernel) const {
    return failed_here().contains(kernel) || (cache_ != nullptr && cache_->failed().contains(kernel));
  }

  // nullptr: it cannot be done.
  const Swept* swept() {
    if (!asked_) {
      asked_ = true;
      sweep();
    }
    return swept_ ? &*swept_ : nullptr;
  }

 private:
  void sweep() {
    const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(request_.product.device));
    c10::impl::VirtualGuardImpl(at::kCUDA).getStream(device).synchronize();  // its work would disturb
    request_.skipped.insert(failed_here().begin(), failed_here().end());
    if (cache_ != nullptr) request_.skipped.insert(cache_->failed().begin(), cache_->failed().end());
    swept_ = sweeper().sweep(request_);
    if (!swept_) return;
    failed_here().insert(swept_->failed.begin(), swept_->failed.end());
    if (cache_ != nullptr) cache_->add_failed(swept_->failed);
    if (swept_->milliseconds.empty()) swept_.reset();
  }

  SweepRequest request_;
  KernelCache* cache_;
  bool asked_ = false;
  std::optional<Swept> swept_;
};

at::Tensor random_2_4(int64_t out, int64_t in) {
  at::Tensor weight = at::randn({out, in});
  std::vector<uint8_t> kept = weight_norm_mask(weight, {});
  return weight.mul_(at::from_blob(kept.data(), {out, in}, at::kByte));
}

// With what it refers to.
struct Product {
  c10::intrusive_ptr<PackedWeight> packed;
  std::shared_ptr<const DeviceWeight> weight;
};

std::vector<Candidate> product_candidates(const SweepRequest& request) {
  std::string reason;
  TORCH_CHECK(gemm_backend(reason) != nullptr, reason);  // loads LibTorch's CUDA part
  const ProductShape& what = request.product;
  const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(what.device));
  const at::TensorOptions options = at::TensorOptions(device).dtype(what.dtype);
  Product product;
  if (what.sparse) {
    product.packed = PackedWeight::pack(random_2_4(what.out, what.in), "");
    product.weight = product.packed->on(device, what.dtype);
  } else {
    product.weight = std::make_shared<const DeviceWeight>(at::randn({what.out, what.in}, options));
  }
  Operands operands{at::randn({what.tokens, what.in}, options), {}, what.epilogue.activation, {}};
  if (request.biased) operands.bias = at::randn({what.out}, options);
  if (what.epilogue.residual) operands.residual = at::randn({what.tokens, what.out}, options);
  std::vector<Candidate> candidates = product.weight->timed(operands);
  for (Candidate& each : candidates) {
    each.milliseconds = [product, run = std::move(each.milliseconds)] {
      const at::NoGradGuard no_gradients;
      return run();
    };
  }
  return candidates;
}

}  // namespace

std::vector<Candidate> timed_elsewhere(SweepRequest request, std::vector<Candidate> here,
                                       std::function<bool(size_t)> proven, KernelCache* cache) {
  const auto elsewhere = std::make_shared<Elsewhere>(std::move(request), cache);
  std::vector<Candidate> all;
  for (size_t i = 0; i < here.size(); ++i) {
    const auto time = [elsewhere, i, proven, candidate = here[i]]() -> std::optional<double> {
      if (const Swept* swept = elsewhere->swept()) {
        const auto found = swept->milliseconds.find(candidate.kernel);
        return found == swept->milliseconds.end() ? std::nullopt : std::optional(found->second);
      }
      if (!proven(i) || elsewhere->has_failed(candidate.kernel)) return std::nullopt;
      return candidate.milliseconds();
    };
    all.push_back({here[i].kernel, time});
  }
  return all;
}

void serve_product_sweeps(int socket) { serve_sweeps(socket, product_candidates); }

}  // namespace prune2to4
