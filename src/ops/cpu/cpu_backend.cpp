// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/cpu_backend.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "ops/cpu/dense_gemm.h"
#include "ops/cpu/kernels.h"

namespace prune2to4 {
namespace {

// Below it what surrounds a product takes as long as the product.
constexpr int64_t kLeastWeight = 1 << 17;
constexpr int64_t kLeastTimedTokens = 64;
constexpr int64_t kTimedWork = 1 << 30;  // multiplications of a thread
// The least of a few calls is what the product takes when nothing disturbs it.
constexpr int kLeastCalls = 3;
constexpr int kMostCalls = 25;
constexpr double kEnoughMilliseconds = 15;
constexpr double kTooManyMilliseconds = 200;

// What /proc/cpuinfo says of the first one.
std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  std::string model;
  while (std::getline(in, line) && !line.empty()) {
    for (const char* field : {"vendor_id", "cpu family", "model", "stepping"}) {
      if (!line.starts_with(field)) continue;
      const size_t value = line.find(": ");
      if (value != std::string::npos) model += line.substr(value + 2) + ", ";
      break;
    }
  }
  return model;
}

// Which instructions LibTorch's products have been held to.
std::string limits() {
  std::string all;
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"}) {
    const char* value = std::getenv(name);
    if (value != nullptr) all += std::string(name) + "=" + value + ", ";
  }
  return all;
}

class CpuBackend final : public GemmBackend {
 public:
  explicit CpuBackend(at::ScalarType dtype) : dtype_(dtype) {}

  std::string missing(at::Device, at::ScalarType, int64_t, int64_t) override { return {}; }

  TokenBuckets buckets() const override { return kCpuBuckets; }
  int threads() const override { return at::in_parallel_region() ? 1 : at::get_num_threads(); }
  // More would take long and tell no more.
  int64_t timed_tokens(int64_t bucket, int64_t out, int64_t in) const override {
    return std::min(bucket, std::max(kLeastTimedTokens, kTimedWork * threads() / (out * in)));
  }

  std::string environment(at::Device) override {
    static const std::string model = cpu_model();
    const std::string more =
        kernels_.bfloat16_name == nullptr ? "" : std::string(", ") + kernels_.bfloat16_name;
    return model + limits() + kernels_.name + more + ", " + std::to_string(threads()) +
           " threads, LibTorch " TORCH_VERSION ", prune2to4 " PRUNE2TO4_VERSION;
  }

  std::unique_ptr<SparseGemm> compress(const at::Tensor& weight) override {
    return cpu::compress(weight, kernels_);
  }

  const std::vector<std::string>& dense_kernels() const override { return cpu::dense_kernels(dtype_); }
  bool reorders() const override { return true; }
  at::Tensor reordered(const at::Tensor& weight) const override { return cpu::reordered(weight); }
  bool run_dense(size_t, const at::Tensor& weight, const Operands& operands, at::Tensor& d) const override {
    return cpu::run_dense(weight, operands, d);
  }

  bool capturing() override { return false; }

  double milliseconds(const std::function<void()>& work) override {
    using Clock = std::chrono::steady_clock;
    double least = std::numeric_limits<double>::infinity();
    double all = 0;
    const auto enough = [&](int calls) {
      return calls == kMostCalls || all > kTooManyMilliseconds ||
             (calls >= kLeastCalls && all > kEnoughMilliseconds);
    };
    for (int calls = 0; !enough(calls); ++calls) {
      const auto start = Clock::now();
      work();
      const double each = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      least = std::min(least, each);
      all += each;
    }
    return least;
  }

 private:
  at::ScalarType dtype_;
  const cpu::Kernels& kernels_ = *cpu::available_kernels().front();
};

}  // namespace

GemmBackend* cpu_backend(at::ScalarType dtype, int64_t out, int64_t in) {
  static CpuBackend of_float(at::kFloat);
  static CpuBackend of_bfloat16(at::kBFloat16);
  if (out * in < kLeastWeight) return nullptr;
  if (dtype == at::kFloat) return &of_float;
  return dtype == at::kBFloat16 ? &of_bfloat16 : nullptr;
}

}  // namespace prune2to4
