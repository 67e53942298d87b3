// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <random>
#include <thread>

#include "ops/gpu_gemm.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

constexpr Epilogue kEpilogues[] = {{Activation::kNone, false}, {Activation::kGelu, false}};

// cuBLASLt's GELU.
constexpr double kTanhGelu = 5e-4;

struct Layer {
  at::Tensor weight;  // dense, on the GPU
  std::optional<at::Tensor> bias;
  std::unique_ptr<SparseGemm> sparse;

  Layer(GemmBackend& gemms, int64_t out, int64_t in, at::ScalarType dtype, bool biased)
      : weight(
            (random_2_4(out, in, dtype) * (at::rand({out, in}) < 0.8)).to(kGpu)),  // some keep fewer than two
        sparse(gemms.compress(weight)) {
    if (biased) bias = at::randn({out}, weight.options());
  }
  Operands operands(int64_t tokens, Epilogue epilogue) const {
    return {at::randn({tokens, weight.size(1)}, weight.options()), bias, epilogue.activation, {}};
  }
  at::Tensor output(int64_t tokens) const { return at::full({tokens, weight.size(0)}, 77, weight.options()); }
};

// Calls by every 2:4 kernel and one of cuBLASLt's proposals, in turn, on random shapes.
void check_random_products(int64_t calls) {
  at::manual_seed(17);
  std::mt19937 random(17);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  while (calls > 0) {
    const at::ScalarType dtype = below(2) == 0 ? at::kHalf : at::kBFloat16;
    const bool stationary = below(3) == 0;  // a shape that kernels whose weight stays in registers take
    const int64_t out = stationary ? 256 * (1 + below(6)) : 8 * (1 + below(200));
    const int64_t in = stationary ? (below(2) == 0 ? 768 : 1024) : 32 * (1 + below(64));
    const Layer layer(*gpu_gemms(), out, in, dtype, below(4) != 0);
    for (int of_layer = 0; of_layer < 100 && calls > 0; ++of_layer, --calls) {
      const Epilogue epilogue = kEpilogues[below(2)];
      const int64_t tokens = below(3) == 0 ? 1 + below(3000) : 1 + below(300);
      const size_t sparse_kernels = layer.sparse->kernels(epilogue).size();
      const auto kernel = static_cast<size_t>(of_layer) % (sparse_kernels + 1);
      const Operands operands = layer.operands(tokens, epilogue);
      at::Tensor d = layer.output(tokens);
      const bool dense = kernel == sparse_kernels;
      const auto proposal =
          static_cast<size_t>(below(static_cast<int64_t>(gpu_gemms()->dense_kernels().size())));
      const bool ran = dense ? gpu_gemms()->run_dense(proposal, layer.weight, operands, d) ||
                                   gpu_gemms()->run_dense(0, layer.weight, operands, d)
                             : layer.sparse->run(kernel, operands, d);
      const double error = error_of(d, product_in_fp64(operands, layer.weight),
                                    product_tolerance(dtype, epilogue.activation) + (dense ? kTanhGelu : 0));
      if (ran && error < 1) continue;
      CATCH_INFO(layer.weight.sizes()
                 << " " << dtype << " x " << tokens << ", kernel " << kernel << (dense ? " (dense)" : ""));
      CATCH_CHECK(ran);
      CATCH_CHECK(error < 1);
    }
  }
}

}  // namespace

CATCH_TEST_CASE("2:4 products of 10,000 random shapes equal fp64's, by every kernel") {
  if (gpu_gemms() != nullptr) check_random_products(10000);
}

// For compute-sanitizer, which is a thousand times slower.
CATCH_TEST_CASE("2:4 products of a few random shapes equal fp64's", "[sanitized][cutlass]") {
  if (gpu_gemms() != nullptr) check_random_products(300);
}

CATCH_TEST_CASE("cuBLASLt's proposals are timed without what it takes to make them") {
  if (gpu_gemms() == nullptr) return;
  const Layer layer(*gpu_gemms(), 768, 768, at::kHalf, true);
  const Operands operands = layer.operands(1536, kEpilogues[0]);
  at::Tensor d = layer.output(1536);
  std::vector<double> milliseconds;
  for (size_t kernel = 0; kernel < gpu_gemms()->dense_kernels().size(); ++kernel) {
    const auto run = [&] { return gpu_gemms()->run_dense(kernel, layer.weight, operands, d); };
    if (run()) milliseconds.push_back(gpu_gemms()->milliseconds(run));
  }
  CATCH_REQUIRE(milliseconds.size() > 1);
  const auto [least, most] = std::minmax_element(milliseconds.begin(), milliseconds.end());
  CATCH_CHECK(*most < 4 * *least);
}

CATCH_TEST_CASE("the tokens that share a measurement are multiplied by the proposal that was measured") {
  if (gpu_gemms() == nullptr) return;
  const Layer layer(*gpu_gemms(), 768, 3072, at::kHalf, true);
  const Operands measured = layer.operands(1536, kEpilogues[0]);
  for (size_t kernel = 0; kernel < gpu_gemms()->dense_kernels().size(); ++kernel) {
    at::Tensor all = layer.output(1536);
    if (!gpu_gemms()->run_dense(kernel, layer.weight, measured, all)) continue;
    CATCH_CAPTURE(kernel);
    for (const int64_t tokens : {1535, 1100, 1025}) {
      Operands fewer = measured;
      fewer.x = measured.x.slice(0, 0, tokens);
      at::Tensor d = layer.output(tokens);
      CATCH_REQUIRE(gpu_gemms()->run_dense(kernel, layer.weight, fewer, d));
      CATCH_CHECK(at::equal(d, all.slice(0, 0, tokens)));  // another one adds up in another order
    }
  }
}

CATCH_TEST_CASE("a packed weight runs on a GPU on any stream, captured, and in several threads") {
  if (gpu_gemms() == nullptr) return;
  at::manual_seed(19);
  const auto packed = PackedWeight::pack(random_2_4(768, 3072, at::kHalf), "layer");
  const at::Tensor bias = at::randn({768}, at::TensorOptions(kGpu).dtype(at::kHalf));
  const FusedLinear linear(packed, bias);
  const at::Tensor x = at::randn({1000, 3072}, bias.options());
  const at::Tensor wanted = product_in_fp64({x, bias, Activation::kNone, {}}, packed->unpack().to(kGpu));
  const at::Tensor eager = linear.run(x, Activation::kNone);
  CATCH_CHECK(error_of(eager, wanted, product_tolerance(at::kHalf, Activation::kNone)) < 1);
  CATCH_CHECK(linear.kernel(1000, Activation::kNone) != "not yet measured");

  at::Tensor captured;
  const auto work = cuda_backend().capture(kGpu, [&] { captured = linear.run(x, Activation::kNone); });
  work->replay();
  cuda_backend().synchronize(kGpu);
  CATCH_CHECK(at::equal(captured, eager));

  std::vector<at::Tensor> results(8);
  std::vector<std::thread> threads;
  for (at::Tensor& result : results) {
    threads.emplace_back([&] {
      const FusedLinear mine(packed, bias);
      for (int i = 0; i < 50; ++i) result = mine.run(x, Activation::kNone);
    });
  }
  for (std::thread& thread : threads) thread.join();
  cuda_backend().synchronize(kGpu);
  for (const at::Tensor& result : results) CATCH_CHECK(at::equal(result, eager));
  CATCH_CHECK(linear.run(x.narrow(0, 0, 0), Activation::kNone).sizes() == at::IntArrayRef({0, 768}));

  const at::Tensor residual = at::randn({1000 * 768 + 1}, bias.options()).slice(0, 1).view({1000, 768});
  CATCH_CHECK(error_of(linear.run_residual(x, residual), wanted + residual.to(at::kDouble),
                       2 * product_tolerance(at::kHalf, Activation::kNone)) < 1);  // it rounds twice
  CATCH_CHECK(linear.residual_kernel(1000) != "not yet measured");
}

CATCH_TEST_CASE("how fast 2:4 products are", "[.bench]") {
  if (gpu_gemms() == nullptr) return;
  std::printf("%s, fp16, ms\n", cuda_backend().device_name(kGpu).c_str());
  const std::pair<int64_t, int64_t> shapes[] = {{2304, 768}, {768, 768},  {3072, 768},
                                                {768, 3072}, {1152, 384}, {384, 384},
                                                {1536, 384}, {384, 1536}, {3072, 10240}};
  for (const auto& [out, in] : shapes) {
    const Layer layer(*gpu_gemms(), out, in, at::kHalf, true);
    for (const int64_t tokens : {1536, 3072, 6144, 11008, 24576, 98304}) {
      if (in > 4000 && tokens != 3072) continue;
      at::Tensor d = layer.output(tokens);
      for (const Epilogue epilogue : kEpilogues) {
        if (out < in && epilogue.activation == Activation::kGelu) continue;
        const Operands operands = layer.operands(tokens, epilogue);
        std::printf("%5ld x %5ld %6ld %-4s  dense", static_cast<long>(out), static_cast<long>(in),
                    static_cast<long>(tokens), epilogue.activation == Activation::kGelu ? "gelu" : "");
        for (size_t kernel = 0; kernel < gpu_gemms()->dense_kernels().size(); ++kernel) {
          const auto run = [&] { return gpu_gemms()->run_dense(kernel, layer.weight, operands, d); };
          if (run()) std::printf(" %.4f", gpu_gemms()->milliseconds(run));
        }
        std::printf(" | 2:4");
        for (size_t kernel = 0; kernel < layer.sparse->kernels(epilogue).size(); ++kernel) {
          std::printf(" %.4f", gpu_gemms()->milliseconds([&] { layer.sparse->run(kernel, operands, d); }));
        }
        std::printf("\n");
      }
    }
  }
}

}  // namespace prune2to4
