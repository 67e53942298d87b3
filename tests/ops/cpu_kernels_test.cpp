// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "core/environment_variable.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/kernels.h"
#include "ops/product_in_fp64.h"
#include "ops/threads.h"
#include "prune2to4/fused_linear.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

// At most two of each group of four are left, anywhere in it, sometimes fewer.
at::Tensor sparse_weight(int64_t rows, int64_t cols, at::ScalarType dtype) {
  const at::Tensor groups = at::randn({rows, cols / 4, 4}) / std::sqrt(static_cast<double>(cols));
  const at::Tensor smallest = std::get<1>(at::rand({rows, cols / 4, 4}).topk(2, -1));
  const at::Tensor weight = groups.scatter(-1, smallest, 0);
  return (weight * at::rand({rows, cols / 4, 1}).gt(0.1)).reshape({rows, cols}).to(dtype);
}

struct Case {
  Operands operands;
  at::Tensor weight;

  at::Tensor expected() const { return product_in_fp64(operands, weight); }
};

Case random_case(int64_t tokens, int64_t rows, int64_t cols, at::ScalarType dtype, uint32_t bits) {
  Case made{{at::randn({tokens, cols}).to(dtype), {}, Activation::kNone, {}},
            sparse_weight(rows, cols, dtype)};
  if ((bits & 1) != 0) made.operands.bias = at::randn({rows}).to(dtype);
  if ((bits & 2) != 0) {
    made.operands.activation = Activation::kGelu;
  } else if ((bits & 4) != 0) {
    made.operands.residual = at::randn({tokens, rows}).to(dtype);
  }
  return made;
}

at::Tensor product(const SparseGemm& gemm, size_t kernel, const Operands& operands, int64_t rows) {
  // A kernel that leaves something out leaves NaN.
  at::Tensor d =
      at::full({operands.x.size(0), rows}, std::numeric_limits<double>::quiet_NaN(), operands.x.options());
  return gemm.run(kernel, operands, d) ? d : at::Tensor();
}

void check_random_shapes(const cpu::Kernels& kernels, at::ScalarType dtype, int count, double tolerance) {
  std::mt19937 random(17);
  const auto below = [&](int64_t end) { return static_cast<int64_t>(random() % static_cast<uint64_t>(end)); };
  for (int i = 0; i < count; ++i) {
    const int64_t tokens = 1 + below(i % 8 == 0 ? 300 : 40);
    const int64_t rows = 1 + below(i % 8 == 1 ? 150 : 40);
    const int64_t cols = 4 * (1 + below(i % 8 == 2 ? 60 : 20));
    const Case each = random_case(tokens, rows, cols, dtype, static_cast<uint32_t>(random()));
    const auto gemm = cpu::compress(each.weight, kernels);
    const at::Tensor expected = each.expected();
    for (size_t kernel = 0; kernel < gemm->kernels({}).size(); ++kernel) {
      const at::Tensor found = product(*gemm, kernel, each.operands, rows);
      if (!found.defined()) continue;
      const double error =
          ((found.to(at::kDouble) - expected).abs() / expected.abs().clamp_min(1)).max().item<double>();
      CATCH_INFO(gemm->kernels({})[kernel] << ", " << tokens << " tokens, " << rows << " x " << cols);
      CATCH_REQUIRE(error < tolerance);
    }
  }
}

// A product of many tokens, whose output begins `offset` elements into its memory, is that of parts of them.
void check_parts(const SparseGemm& gemm, size_t kernel, const Operands& operands, int64_t rows,
                 int64_t offset) {
  const int64_t tokens = operands.x.size(0);
  at::Tensor d =
      at::full({tokens * rows + offset}, std::numeric_limits<double>::quiet_NaN(), operands.x.scalar_type())
          .narrow(0, offset, tokens * rows)
          .view({tokens, rows});
  if (!gemm.run(kernel, operands, d)) return;
  for (int64_t first = 0; first < tokens; first += 2000) {
    Operands part = operands;
    const int64_t some = std::min<int64_t>(2000, tokens - first);
    part.x = part.x.narrow(0, first, some);
    if (part.residual) part.residual = part.residual->narrow(0, first, some);
    CATCH_REQUIRE(at::equal(product(gemm, kernel, part, rows), d.narrow(0, first, some)));
  }
}

}  // namespace

CATCH_TEST_CASE("the CPU's 2:4 kernels equal an fp64 reference at random shapes, at every level") {
  at::manual_seed(3);
  const Threads one(1);
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    check_random_shapes(*kernels, at::kFloat, 2000, 2e-6);
    check_random_shapes(*kernels, at::kBFloat16, 500, 8e-3);
  }
}

CATCH_TEST_CASE("a 2:4 product has the same bits by any number of threads, and in any company") {
  at::manual_seed(4);
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    for (const auto& [dtype, cols] : {std::pair{at::kFloat, 388}, {at::kFloat, 1100}, {at::kBFloat16, 388}}) {
      const Case made = random_case(201, 203, cols, dtype, 3);
      const auto gemm = cpu::compress(made.weight, *kernels);
      at::Tensor wanted;  // by rows, as by the kernel before it
      for (size_t kernel = 0; kernel < gemm->kernels({}).size(); ++kernel) {
        CATCH_INFO(gemm->kernels({})[kernel]);
        for (const int threads : {1, 2, 3, 7}) {
          const Threads some(threads);
          const at::Tensor found = product(*gemm, kernel, made.operands, 203);
          if (threads == 1 && found.defined()) wanted = found;
          CATCH_INFO(threads << " threads");
          CATCH_REQUIRE((!found.defined() || at::equal(found, wanted)));
          Operands few = made.operands;
          few.x = made.operands.x.narrow(0, 5, 7);
          CATCH_REQUIRE(at::equal(product(*gemm, kernel, few, 203), wanted.narrow(0, 5, 7)));
        }
      }
    }
  }
}

CATCH_TEST_CASE("outputs so large that they pass the caches by are those of the tokens in parts") {
  at::manual_seed(6);
  constexpr int64_t kTokens = 8903;
  const Threads two(2);
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      // A row that is whole lines of the cache, one that is not, and outputs that begin within a line.
      for (const auto& [rows, offset] : {std::pair<int64_t, int64_t>{1024, 0}, {1000, 0}, {1024, 8}}) {
        const Case made = random_case(kTokens, rows, 32, dtype, rows == 1000 ? 5 : 1);
        const auto gemm = cpu::compress(made.weight, *kernels);
        const size_t all = gemm->kernels({}).size();
        for (size_t kernel = 0; kernel < all; ++kernel)
          check_parts(*gemm, kernel, made.operands, rows, offset);
      }
    }
  }
}

CATCH_TEST_CASE("where fp32 has code of the weight's own, so has bf16") {
  const auto offers_code = [](const cpu::Kernels& kernels, at::ScalarType dtype) {
    const auto names = cpu::compress(sparse_weight(24, 32, dtype), kernels)->kernels({});
    return std::any_of(names.begin(), names.end(), [](const auto& name) { return name.ends_with(", JIT"); });
  };
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    CATCH_CHECK(offers_code(*kernels, at::kBFloat16) == offers_code(*kernels, at::kFloat));
  }
}

CATCH_TEST_CASE("what was fastest while oneDNN was held to fewer instructions is not taken for always") {
  GemmBackend* const backend = cpu_backend(at::kFloat, 768, 768);
  CATCH_REQUIRE(backend != nullptr);
  const std::string free = backend->environment(at::kCPU);
  {
    const EnvironmentVariable held("ONEDNN_MAX_CPU_ISA", "NONE");
    CATCH_CHECK(backend->environment(at::kCPU) != free);
  }
  CATCH_CHECK(backend->environment(at::kCPU) == free);
}

CATCH_TEST_CASE("GELU on the CPU is the exact one") {
  const at::Tensor x = at::linspace(-12, 12, 4096).view({-1, 4});
  const at::Tensor weight = at::eye(4).index_select(0, at::tensor({0, 1}));
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    const Case made{{x, {}, Activation::kGelu, {}}, weight};
    const at::Tensor found = product(*cpu::compress(weight, *kernels), 0, made.operands, 2).to(at::kDouble);
    CATCH_CHECK((found - made.expected()).abs().max().item<double>() < 1e-6);
  }
}

CATCH_TEST_CASE("NaN and infinities pass through the CPU's kernels, and stay in their token") {
  const at::Tensor weight = at::ones({6, 8}) * at::tensor({1.F, 0.F, 1.F, 0.F, 0.F, 1.F, 1.F, 0.F});
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const auto gemm = cpu::compress(weight.to(dtype), *kernels);
      at::Tensor x = at::ones({3, 8}).to(dtype);
      x[1][2] = std::numeric_limits<double>::quiet_NaN();
      x[2][5] = std::numeric_limits<double>::infinity();
      for (size_t kernel = 0; kernel < gemm->kernels({}).size(); ++kernel) {
        const at::Tensor y = product(*gemm, kernel, {x, {}, Activation::kNone, {}}, 6);
        CATCH_CHECK(y[0].eq(4).all().item<bool>());
        CATCH_CHECK(y[1].isnan().all().item<bool>());
        CATCH_CHECK(y[2].isinf().all().item<bool>());
      }
    }
  }
}

CATCH_TEST_CASE(
    "a large 2:4 layer on the CPU takes what proved fastest; a small one is dense and never timed") {
  at::manual_seed(5);
  const at::Tensor weight = sparse_weight(384, 384, at::kFloat);
  const at::Tensor bias = at::randn({384});
  const FusedLinear linear(PackedWeight::pack(weight, "layer"), bias);
  CATCH_CHECK(linear.kernel(37, Activation::kGelu) == "not yet measured");
  const at::Tensor x = at::randn({37, 384});
  const at::Tensor y = linear.run(x, Activation::kGelu);
  CATCH_CHECK(at::allclose(y, at::gelu(at::linear(x, weight, bias)), 1e-5, 1e-5));
  const std::string kernel = linear.kernel(37, Activation::kGelu);
  const bool sparse = kernel.starts_with(std::string("2:4 ") + cpu::available_kernels().front()->name);
  CATCH_CHECK((sparse || kernel == "dense"));
  CATCH_CHECK(linear.run(at::empty({0, 384}), Activation::kNone).sizes() == at::IntArrayRef{0, 384});

  const FusedLinear small(PackedWeight::pack(sparse_weight(64, 64, at::kFloat), "layer"), at::randn({64}));
  CATCH_CHECK(small.kernel(37, Activation::kNone) == "dense");
}

}  // namespace prune2to4
