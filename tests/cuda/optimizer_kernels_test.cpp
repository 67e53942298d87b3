// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include "cuda/gpu.h"

namespace prune2to4 {

CATCH_TEST_CASE("gradients are masked and their norm is fp64's, wherever the mask ends", "[sanitized]") {
  if (!has_kernels()) return;
  for (const int64_t size : {1, 3, 4, 1023, 1 << 20, 5000003}) {
    for (const int64_t masked : {int64_t{0}, int64_t{1}, size / 2, size - 1, size}) {
      CATCH_INFO(masked << " of " << size);
      at::manual_seed(13);
      at::Tensor gradients = at::randn({size}, kGpu);
      const at::Tensor mask = at::randint(0, 2, {masked}, at::TensorOptions(kGpu).dtype(at::kByte));
      at::Tensor expected = gradients.clone();
      expected.narrow(0, 0, masked).mul_(mask);
      at::Tensor again = gradients.clone();
      const at::Tensor norm = cuda_backend().masked_norm(gradients, mask);
      CATCH_CHECK(at::equal(gradients, expected));
      CATCH_CHECK(error_of(norm, expected.to(at::kDouble).norm(), 1e-5) < 1);
      CATCH_CHECK(at::equal(norm, cuda_backend().masked_norm(again, mask)));
    }
  }
  at::Tensor infinite = at::full({100}, 1e30, at::TensorOptions(kGpu).dtype(at::kFloat));
  const at::Tensor none = at::empty({0}, at::TensorOptions(kGpu).dtype(at::kByte));
  CATCH_CHECK(cuda_backend().masked_norm(infinite, none).isinf().item<bool>());
}

CATCH_TEST_CASE("AdamW steps are those of LibTorch, zeros stay zeros, and a skipped step does nothing",
                "[sanitized]") {
  if (!has_kernels()) return;
  for (const int64_t size : {1, 3, 4, 1023, 5000003}) {
    for (const int64_t decayed : {int64_t{0}, size / 2, size}) {
      CATCH_INFO(decayed << " of " << size);
      at::manual_seed(17);
      const auto number = [](double value) {
        return at::full({1}, value, at::TensorOptions(kGpu).dtype(at::kFloat));
      };
      const at::Tensor kept = at::arange(size, kGpu).remainder(4).lt(2).to(at::kFloat);
      AdamWStep step{at::randn({size}, kGpu) * kept,
                     at::Tensor(),
                     at::zeros({size}, kGpu),
                     at::zeros({size}, kGpu),
                     decayed,
                     number(1e-2),
                     number(0),
                     number(8),
                     number(0),
                     0.9,
                     0.999,
                     1e-8,
                     0.1};
      at::Tensor values = step.values.clone();
      at::Tensor mean = step.exp_avg.clone();
      at::Tensor square = step.exp_avg_sq.clone();
      const at::Tensor steps = at::zeros({}, kGpu);
      for (int time = 0; time < 4; ++time) {
        const bool skipped = time == 2;
        step.gradients = at::randn({size}, kGpu) * kept;
        step.skipped.fill_(skipped ? 1 : 0);
        steps.add_(skipped ? 0 : 1);
        step.steps = steps;
        at::Tensor gradients = step.gradients.clone();
        const auto range = [&](const at::Tensor& all, int64_t begin, int64_t end) {
          return std::vector<at::Tensor>{all.narrow(0, begin, end - begin)};
        };
        for (const auto& [begin, end, decay] :
             {std::tuple{int64_t{0}, decayed, 0.1}, std::tuple{decayed, size, 0.0}}) {
          if (begin == end) continue;
          at::_fused_adamw_(range(values, begin, end), range(gradients, begin, end), range(mean, begin, end),
                            range(square, begin, end), {}, std::vector<at::Tensor>{steps}, step.rate, 0.9,
                            0.999, decay, 1e-8, false, false, step.divisor, step.skipped);
        }
        cuda_backend().adamw(step);
      }
      CATCH_CHECK(error_of(step.values, values, 1e-6) < 1);
      CATCH_CHECK(error_of(step.exp_avg, mean, 1e-6) < 1);
      CATCH_CHECK(error_of(step.exp_avg_sq, square, 1e-6) < 1);
      CATCH_CHECK(at::equal(step.values.ne(0), kept.ne(0)));
    }
  }
}

CATCH_TEST_CASE("gradients that the optimizer's kernels cannot take are refused") {
  if (!has_kernels()) return;
  CudaBackend& backend = cuda_backend();
  const at::Tensor mask = at::ones({16}, at::TensorOptions(kGpu).dtype(at::kByte));
  CATCH_CHECK_THROWS_AS(backend.masked_norm(at::ones({8}, kGpu), mask), c10::Error);
  CATCH_CHECK_THROWS_AS(backend.masked_norm(at::ones({17}, kGpu).slice(0, 1), mask), c10::Error);
}

}  // namespace prune2to4
