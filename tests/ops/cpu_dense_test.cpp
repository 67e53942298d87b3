// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <tuple>

#include "ops/cpu/cpu_backend.h"
#include "ops/kernel_choice.h"
#include "ops/product_in_fp64.h"
#include "prune2to4/fused_linear.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

constexpr int64_t kOut = 384;
constexpr int64_t kIn = 768;
constexpr const char* kReordered = "dense, oneDNN, reordered";

at::Tensor bfloat16(at::IntArrayRef sizes) { return at::randn(sizes).to(at::kBFloat16); }

// Its odd columns are zero.
at::Tensor sparse_weight() {
  at::Tensor weight = bfloat16({kOut, kIn}) / 20;
  weight.slice(1, 1, kIn, 2).zero_();
  return weight;
}

Operands operands_of(int64_t tokens, Activation activation, bool residual) {
  Operands made{bfloat16({tokens, kIn}), bfloat16({kOut}), activation, {}};
  if (residual) made.residual = bfloat16({tokens, kOut});
  return made;
}

double relative_error(const at::Tensor& y, const Operands& operands, const at::Tensor& weight) {
  const at::Tensor exact = product_in_fp64(operands, weight);
  return ((y.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

// Whether this CPU and LibTorch have what it takes.
bool has_reordered() {
  const GemmBackend* backend = cpu_backend(at::kBFloat16, kOut, kIn);
  const bool has = !backend->dense_kernels().empty() && backend->reordered(sparse_weight()).defined();
  if (!has) CATCH_WARN("no oneDNN in bf16 on this CPU");
  return has;
}

// As if `kernel` had been measured, and were the fastest.
void choose(size_t kernel, int64_t tokens, bool sparse) {
  const ProductShape shape{at::Device(at::kCPU).index(),
                           at::kBFloat16,
                           kOut,
                           kIn,
                           token_bucket(tokens, kCpuBuckets),
                           {},
                           sparse,
                           cpu_backend(at::kBFloat16, kOut, kIn)->threads()};
  std::vector<Candidate> candidates;
  for (size_t i = 0; i <= kernel; ++i) {
    candidates.push_back({std::to_string(i), [i] { return std::optional(100. - static_cast<double>(i)); }});
  }
  CATCH_REQUIRE(fastest(shape, candidates, nullptr) == kernel);
}

}  // namespace

CATCH_TEST_CASE("a dense bf16 product by a weight reordered once is right with all that follows it") {
  if (!has_reordered()) return;
  GemmBackend* backend = cpu_backend(at::kBFloat16, kOut, kIn);
  const at::Tensor weight = sparse_weight();
  const at::Tensor reordered = backend->reordered(weight);
  for (const int64_t tokens : {1, 37, 1000}) {
    for (const auto& [activation, residual] :
         {std::tuple(Activation::kNone, false), {Activation::kGelu, false}, {Activation::kNone, true}}) {
      const Operands operands = operands_of(tokens, activation, residual);
      at::Tensor d;
      CATCH_REQUIRE(backend->run_dense(0, reordered, operands, d));
      CATCH_CHECK(d.scalar_type() == at::kBFloat16);
      CATCH_CHECK(relative_error(d, operands, weight) < 0.01);
    }
  }
}

CATCH_TEST_CASE("a bf16 layer, dense or 2:4, takes the reordered product where that was the fastest") {
  if (!has_reordered()) return;
  constexpr int64_t kTokens = 96;
  const at::Tensor weight = sparse_weight();
  const Operands operands = operands_of(kTokens, Activation::kNone, false);
  const FusedLinear dense("dense", weight, *operands.bias);
  const FusedLinear sparse(PackedWeight::pack(weight, "sparse"), *operands.bias);
  choose(1, kTokens, false);
  choose(1, kTokens, true);
  CATCH_CHECK(dense.kernel(kTokens, Activation::kNone) == kReordered);
  CATCH_CHECK(sparse.kernel(kTokens, Activation::kNone) == kReordered);
  const at::Tensor y = dense.run(operands.x, Activation::kNone);
  CATCH_CHECK(relative_error(y, operands, weight) < 0.01);
  CATCH_CHECK(at::equal(sparse.run(operands.x, Activation::kNone), y));
}

CATCH_TEST_CASE("a dense fp32 layer on a CPU is LibTorch's") {
  const at::Tensor weight = sparse_weight().to(at::kFloat);
  const at::Tensor bias = at::randn({kOut});
  const at::Tensor x = at::randn({40, kIn});
  const FusedLinear layer("layer", weight, bias);
  CATCH_CHECK(at::equal(layer.run(x, Activation::kNone), at::linear(x, weight, bias)));
  CATCH_CHECK(layer.kernel(40, Activation::kNone) == "dense");
}

}  // namespace prune2to4
