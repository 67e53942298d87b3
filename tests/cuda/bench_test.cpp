// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <functional>

#include "cuda/gpu.h"

namespace prune2to4 {
namespace {

constexpr int kRepeats = 100;

// Prints milliseconds a call, and GB/s for what a call must read and write at least. Captured, so that the
// host's part of a call does not count.
void time(const char* name, double bytes, const std::function<void()>& call) {
  CudaBackend& backend = cuda_backend();
  call();
  const auto work = backend.capture(kGpu, [&] {
    for (int i = 0; i < kRepeats; ++i) call();
  });
  double best = 0;
  for (int round = 0; round < 4; ++round) {  // the first warms up
    backend.synchronize(kGpu);
    const auto start = std::chrono::steady_clock::now();
    work->replay();
    backend.synchronize(kGpu);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (round > 0 && (round == 1 || elapsed.count() < best)) best = elapsed.count();
  }
  best /= kRepeats;
  std::printf("  %-36s %8.4f ms %8.0f GB/s\n", name, best * 1e3, bytes / best / 1e9);
}

void bench_norm(const at::Tensor& x, double matrix) {
  CudaBackend& backend = cuda_backend();
  const at::Tensor residual = at::randn_like(x);
  const at::Tensor dy = at::randn_like(x);
  const at::Tensor weight = at::ones({x.size(1)}, kGpu);
  const at::Tensor bias = at::zeros({x.size(1)}, kGpu);
  const at::Tensor half_weight = weight.to(x.scalar_type());
  const at::Tensor half_bias = bias.to(x.scalar_type());
  for (const double dropout : {0.1, 0.0}) {
    std::printf(" dropout %.1f\n", dropout);
    const DropoutAddNorm forward = backend.dropout_add_norm(x, residual, weight, bias, 1e-12, dropout);
    time("dropout_add_norm", 4 * matrix,
         [&] { backend.dropout_add_norm(x, residual, weight, bias, 1e-12, dropout); });
    time("dropout_add_norm_backward", (dropout > 0 ? 4 : 3) * matrix,
         [&] { backend.dropout_add_norm_backward(dy, forward, weight, dropout); });
  }
  std::printf(" ATen\n");
  const auto [dropped, mask] = at::native_dropout(x, 0.1, true);
  const at::Tensor kept = mask;
  const auto [y, mean, rstd] = at::native_layer_norm(x, {x.size(1)}, half_weight, half_bias, 1e-12);
  const at::Tensor means = mean;
  const at::Tensor rstds = rstd;
  time("native_dropout", 2.5 * matrix, [&] { at::native_dropout(x, 0.1, true); });
  time("add", 3 * matrix, [&] { at::add(x, residual); });
  time("native_layer_norm", 2 * matrix,
       [&] { at::native_layer_norm(x, {x.size(1)}, half_weight, half_bias, 1e-12); });
  time("native_layer_norm_backward", 3 * matrix, [&] {
    at::native_layer_norm_backward(dy, x, {x.size(1)}, means, rstds, half_weight, half_bias,
                                   {true, true, true});
  });
  time("native_dropout_backward", 2.5 * matrix, [&] { at::native_dropout_backward(dy, kept, 1 / 0.9); });
}

void bench_columns(const at::Tensor& x, double matrix) {
  CudaBackend& backend = cuda_backend();
  const at::Tensor dy = at::randn_like(x);
  time("gelu_backward with column sum", 3 * matrix, [&] { backend.gelu_backward(dy, x); });
  time("ATen gelu_backward", 3 * matrix, [&] { at::gelu_backward(dy, x); });
  time("column_sum", matrix, [&] { backend.column_sum(x); });
  time("ATen sum(0)", matrix, [&] { at::sum(x, {0}); });
  at::Tensor copy = at::empty_like(x);
  time("copy", 2 * matrix, [&] { copy.copy_(x); });
}

void bench_gradients() {
  constexpr int64_t kBase = 109'000'000;  // of BERT-base
  constexpr int64_t kPruned = 85'000'000;
  at::Tensor gradients = at::randn({kBase}, kGpu);
  const at::Tensor mask = at::randint(0, 2, {kPruned}, at::TensorOptions(kGpu).dtype(at::kByte));
  const at::Tensor none = mask.slice(0, 0, 0);
  const double bytes = 4.0 * kBase;
  time("masked_norm", bytes + 5.0 * kPruned, [&] { cuda_backend().masked_norm(gradients, mask); });
  time("masked_norm, no mask", bytes, [&] { cuda_backend().masked_norm(gradients, none); });
  time("ATen mul_ and norm", bytes + 9.0 * kPruned, [&] {
    gradients.narrow(0, 0, kPruned).mul_(mask);
    at::linalg_vector_norm(gradients);
  });
  const auto number = [](double value) { return at::full({1}, value, kGpu); };
  const at::Tensor kept = at::arange(kBase, kGpu).remainder(4).lt(2).to(at::kFloat);
  for (const bool zeros : {false, true}) {
    const auto some = [&] { return zeros ? gradients * kept : gradients.clone(); };
    AdamWStep step{some(),    some(),    some().abs(), some().abs(), kPruned, number(1e-5), number(9),
                   number(1), number(0), 0.9,          0.999,        1e-8,    0.1};
    std::printf(zeros ? " half of them zero\n" : " no zeros\n");
    time("adamw", 28.0 * kBase, [&] { cuda_backend().adamw(step); });
    time("ATen _fused_adamw_", 28.0 * kBase, [&] {
      at::_fused_adamw_({step.values}, {step.gradients}, {step.exp_avg}, {step.exp_avg_sq}, {}, {step.steps},
                        step.rate, 0.9, 0.999, 0.1, 1e-8, false, false, step.divisor, step.skipped);
    });
  }
}

}  // namespace

CATCH_TEST_CASE("how fast the kernels are", "[.bench]") {
  if (!has_kernels()) return;
  std::printf("%s, bf16\n", cuda_backend().device_name(kGpu).c_str());
  for (const int64_t width : {int64_t{384}, int64_t{768}, int64_t{1024}, int64_t{3072}, int64_t{4096}}) {
    const at::Tensor x = at::randn({12288, width}, at::TensorOptions(kGpu).dtype(at::kBFloat16));
    const double matrix = static_cast<double>(x.nbytes());
    std::printf("[12288, %ld]\n", static_cast<long>(width));
    bench_norm(x, matrix);
    bench_columns(x, matrix);
  }
  bench_gradients();
}

}  // namespace prune2to4
