// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <torch/csrc/autograd/generated/variable_factories.h>
#include <torch/csrc/autograd/variable.h>

#include <cmath>
#include <functional>

#include "cuda/gpu.h"

namespace prune2to4 {
namespace {

constexpr int64_t kRows = 64;
constexpr int64_t kWidth = 96;

// A linear layer with dropout and LayerNorm behind it, trained by fused AdamW; everything at fixed addresses.
struct Training {
  std::vector<at::Tensor> parameters;  // weight, bias, norm's weight, norm's bias
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> first;
  std::vector<at::Tensor> second;
  std::vector<at::Tensor> steps;
  at::Tensor rate;
  at::Tensor input;
  at::Tensor loss;

  Training() {
    at::manual_seed(1);
    const at::TensorOptions options = at::TensorOptions(kGpu).dtype(at::kFloat);
    for (const at::Tensor& start : {at::randn({kWidth, kWidth}, options) * 0.1, at::zeros({kWidth}, options),
                                    at::ones({kWidth}, options), at::zeros({kWidth}, options)}) {
      parameters.push_back(start.clone().set_requires_grad(true));
      gradients.push_back(at::zeros_like(start));
      first.push_back(at::zeros_like(start));
      second.push_back(at::zeros_like(start));
      steps.push_back(at::zeros({}, options));
    }
    rate = at::full({}, 1e-2, options);
    input = at::randn({kRows, kWidth}, options);
    loss = at::zeros({}, options);
  }

  void step() {
    for (size_t i = 0; i < parameters.size(); ++i) {
      gradients[i].zero_();
      parameters[i].mutable_grad() = gradients[i];
    }
    const at::Tensor hidden = at::dropout(at::linear(input, parameters[0], parameters[1]), 0.1, true);
    const at::Tensor y = at::layer_norm(input + hidden, {kWidth}, parameters[2], parameters[3], 1e-12);
    const at::Tensor error = (y - input.roll(1, 0)).square().mean();
    error.backward();
    const at::NoGradGuard no_grad;
    loss.copy_(error);
    for (at::Tensor& step : steps) step.add_(1);
    at::_fused_adamw_(parameters, gradients, first, second, {}, steps, rate, 0.9, 0.999, 0.01, 1e-8, false,
                      false);
  }

  // Everything that a step changes, in one vector.
  at::Tensor state() const {
    std::vector<at::Tensor> all = {loss.flatten()};
    for (const auto* list : {&parameters, &first, &second})
      for (const at::Tensor& tensor : *list) all.push_back(tensor.detach().flatten());
    return at::cat(all).cpu();
  }
};

}  // namespace

CATCH_TEST_CASE("captured training steps equal the eager ones to the bit, dropout and optimizer with them") {
  if (!has_gpu()) return;
  constexpr int kSteps = 5;
  std::vector<at::Tensor> expected;
  Training eager;
  eager.step();
  at::manual_seed(7);
  for (int step = 0; step < kSteps; ++step) {
    eager.step();
    expected.push_back(eager.state());
  }
  Training captured;
  captured.step();
  const at::Tensor before = captured.state();
  const auto work = cuda_backend().capture(kGpu, [&] { captured.step(); });
  CATCH_CHECK(at::equal(captured.state(), before));  // recorded, not run
  at::manual_seed(7);
  for (int step = 0; step < kSteps; ++step) {
    work->replay();
    CATCH_CHECK(at::equal(captured.state(), expected[static_cast<size_t>(step)]));
  }
  CATCH_CHECK_FALSE(at::equal(expected[0], expected[4]));
  captured.rate.zero_();  // what the host changes at the same address holds
  const at::Tensor weight = captured.parameters[2].detach().clone();
  work->replay();
  CATCH_CHECK(at::equal(captured.parameters[2].detach(), weight));
}

CATCH_TEST_CASE("each replay draws new random numbers, and so does what runs between replays") {
  if (!has_gpu()) return;
  const at::Tensor ones = at::ones({4096}, kGpu);
  at::Tensor result = at::zeros({4096}, kGpu);
  const auto draw = [&] { result.copy_(at::dropout(ones, 0.5, true)); };
  draw();
  const auto work = cuda_backend().capture(kGpu, draw);
  const auto replayed = [&] {
    work->replay();
    return result.clone();
  };
  at::manual_seed(3);
  const at::Tensor first = replayed();
  const at::Tensor second = replayed();
  const at::Tensor between = at::dropout(ones, 0.5, true);
  CATCH_CHECK_FALSE(at::equal(first, second));
  CATCH_CHECK_FALSE(at::equal(second, between));
  at::manual_seed(3);
  CATCH_CHECK(at::equal(replayed(), first));
}

CATCH_TEST_CASE("the process goes on after work that cannot be captured, and after work that throws") {
  if (!has_gpu()) return;
  const at::Tensor x = at::ones({16}, kGpu);
  at::Tensor sum = at::zeros({}, kGpu);
  CATCH_CHECK_THROWS_AS(cuda_backend().capture(kGpu,
                                               [&] {
                                                 sum.add_(x.sum());
                                                 static_cast<void>(sum.item<float>());  // waits for the GPU
                                               }),
                        c10::Error);
  CATCH_CHECK_THROWS_AS(cuda_backend().capture(kGpu,
                                               [&] {
                                                 at::dropout(x, 0.5, true);
                                                 throw std::runtime_error("stop");
                                               }),
                        std::runtime_error);
  CATCH_CHECK(sum.item<float>() == 0);
  CATCH_CHECK(at::dropout(x, 0.5, true).sum().item<float>() <= 32);  // the generator is free again
  const auto work = cuda_backend().capture(kGpu, [&] { sum.add_(x.sum()); });
  work->replay();
  work->replay();
  CATCH_CHECK(sum.item<float>() == 32);
}

CATCH_TEST_CASE("captures share memory, and the last one gives it back") {
  if (!has_gpu()) return;
  const at::TensorOptions options = at::TensorOptions(kGpu).dtype(at::kFloat);
  for (int round = 0; round < 2; ++round) {
    at::Tensor result = at::zeros({}, options);
    std::vector<std::unique_ptr<CapturedWork>> works;
    for (int i = 1; i <= 3; ++i) {
      works.push_back(cuda_backend().capture(
          kGpu, [&] { result.copy_(at::full({1 << 20}, static_cast<double>(i), options).mean()); }));
    }
    for (int i = 3; i >= 1; --i) {
      works[static_cast<size_t>(i - 1)]->replay();
      CATCH_CHECK(result.item<float>() == static_cast<float>(i));
    }
  }
}

CATCH_TEST_CASE("the kernels draw in a capture what they draw outside") {
  if (!has_kernels()) return;
  const at::TensorOptions options = at::TensorOptions(kGpu).dtype(at::kBFloat16);
  const at::Tensor x = at::randn({128, 768}, options);
  const at::Tensor weight = at::ones({768}, kGpu);
  const at::Tensor bias = at::zeros({768}, kGpu);
  at::Tensor out = at::empty_like(x);
  at::Tensor dx = at::empty_like(x);
  const auto step = [&] {
    const DropoutAddNorm forward = cuda_backend().dropout_add_norm(x, x, weight, bias, 1e-12, 0.1);
    out.copy_(forward.out);
    dx.copy_(cuda_backend().dropout_add_norm_backward(x, forward, weight, 0.1).x);
  };
  std::vector<at::Tensor> expected;
  at::manual_seed(5);
  for (int i = 0; i < 3; ++i) {
    step();
    expected.push_back(at::stack({out, dx}));
  }
  const auto work = cuda_backend().capture(kGpu, step);
  at::manual_seed(5);
  for (const at::Tensor& eager : expected) {
    work->replay();
    CATCH_CHECK(at::equal(at::stack({out, dx}), eager));
  }
  CATCH_CHECK_FALSE(at::equal(expected[0], expected[1]));
}

}  // namespace prune2to4
