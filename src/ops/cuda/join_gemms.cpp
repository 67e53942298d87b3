// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/join_gemms.h"

#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>

#include <map>
#include <mutex>

namespace prune2to4 {
namespace {

class JoinedGemm final : public SparseGemm {
 public:
  JoinedGemm(std::unique_ptr<SparseGemm> cutlass, std::unique_ptr<CusparseltGemm> cusparselt)
      : cutlass_(std::move(cutlass)), cusparselt_(std::move(cusparselt)) {}

  const std::vector<std::string>& kernels(Epilogue epilogue) const override {
    const std::scoped_lock lock(mutex_);
    const auto [found, is_new] = names_.emplace(epilogue, std::vector<std::string>());
    if (is_new) {
      for (const SparseGemm* each : {cutlass_.get(), static_cast<SparseGemm*>(cusparselt_.get())}) {
        const std::vector<std::string>& some = each->kernels(epilogue);
        found->second.insert(found->second.end(), some.begin(), some.end());
      }
    }
    return found->second;
  }

  bool proven(size_t kernel, Epilogue epilogue) const override {
    const size_t first = cutlass_->kernels(epilogue).size();
    return kernel < first ? cutlass_->proven(kernel, epilogue)
                          : cusparselt_->proven(kernel - first, epilogue);
  }

  bool run(size_t kernel, const Operands& operands, at::Tensor& d) const override {
    const size_t first = cutlass_->kernels(operands.epilogue()).size();
    if (kernel < first) return cutlass_->run(kernel, operands, d);
    if (!cusparselt_->is_compressed()) {
      const c10::cuda::CUDAGuard guard(d.device());
      if (c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None) {
        return first > 0 && cutlass_->run(0, operands, d);
      }
    }
    return cusparselt_->run(kernel - first, operands, d);
  }

  bool run_norm(size_t kernel, const NormOperands& operands, at::Tensor& d) const override {
    return cutlass_->run_norm(kernel, operands, d);
  }

 private:
  std::unique_ptr<SparseGemm> cutlass_;
  std::unique_ptr<CusparseltGemm> cusparselt_;
  mutable std::mutex mutex_;  // of `names_`
  mutable std::map<Epilogue, std::vector<std::string>> names_;
};

}  // namespace

std::unique_ptr<SparseGemm> join_gemms(std::unique_ptr<SparseGemm> cutlass,
                                       std::unique_ptr<CusparseltGemm> cusparselt) {
  if (!cusparselt) return cutlass;
  if (!cutlass) {
    cusparselt->compress();
    return cusparselt;
  }
  return std::make_unique<JoinedGemm>(std::move(cutlass), std::move(cusparselt));
}

}  // namespace prune2to4
