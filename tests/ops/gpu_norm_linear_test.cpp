// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <random>

#include "ops/gpu_gemm.h"
#include "prune2to4/norm_linear.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {
namespace {

constexpr double kEpsilon = 1e-5;
constexpr double kNormTolerance = 2e-3;  // of a result's norms: of values that are rounded later

// Scale and shift of each row.
at::Tensor norms_of(const at::Tensor& rows) {
  const at::Tensor wide = rows.to(at::kDouble);
  const at::Tensor mean = wide.mean(1);
  const at::Tensor scale = (wide.var(1, /*unbiased=*/false) + kEpsilon).rsqrt();
  return at::stack({scale, -mean * scale}, 1);
}

// Rows of many means and spreads, and their norms; `normed`: there are none.
HiddenRows random_rows(int64_t tokens, int64_t width, bool normed, at::TensorOptions options) {
  if (normed) return {at::randn({tokens, width}, options), {}};
  const auto column = [&] { return at::randn({tokens, 1}, options); };
  const at::Tensor rows = at::randn({tokens, width}, options) * (0.5 + column().abs()) + column();
  at::Tensor norms = empty_norms(rows);
  norms.narrow(0, 0, tokens).copy_(norms_of(rows));
  return {rows, norms};
}

LayerNorm random_norm(int64_t width, bool normed) {
  const auto options = at::TensorOptions(kGpu).dtype(at::kFloat);
  if (normed) return {{}, {}, kEpsilon};
  return {at::rand({width}, options) + 0.5, at::randn({width}, options), kEpsilon};
}

at::Tensor normed(const HiddenRows& h, const LayerNorm& norm) {
  const at::Tensor wide = h.rows.to(at::kDouble);
  if (!h.norms.defined()) return wide;
  return at::layer_norm(wide, {wide.size(1)}, norm.weight.to(at::kDouble), norm.bias.to(at::kDouble),
                        norm.epsilon);
}

struct Shape {
  int64_t out;
  int64_t in;
  int64_t tokens;
  at::ScalarType dtype;
  bool normed;  // what is read already is
};

struct Layer {
  explicit Layer(const Shape& shape)
      : packed(PackedWeight::pack(random_2_4(shape.out, shape.in, shape.dtype), "layer")),
        weight(packed->unpack().to(kGpu, at::kDouble)),
        bias(at::randn({shape.out}, at::TensorOptions(kGpu).dtype(shape.dtype))) {}

  at::Tensor product(const at::Tensor& x) const {
    return at::mm(x.to(at::kDouble), weight.t()) + bias.to(at::kDouble);
  }

  c10::intrusive_ptr<PackedWeight> packed;
  at::Tensor weight;
  at::Tensor bias;
};

// The weight's rounding comes to the result's.
double of_norm_error(const Shape& shape, Activation activation) {
  const Layer layer(shape);
  const LayerNorm norm = random_norm(shape.in, shape.normed);
  const HiddenRows h = random_rows(shape.tokens, shape.in, shape.normed, layer.bias.options());
  const at::Tensor product = layer.product(normed(h, norm));
  return error_of(LinearOfNorm(*layer.packed, layer.bias, norm).run(h, activation),
                  activation == Activation::kGelu ? at::gelu(product) : product,
                  3 * rounding_of(shape.dtype));
}

double plus_norm_error(const Shape& shape) {
  const Layer layer(shape);
  const LayerNorm norm = random_norm(shape.out, shape.normed);
  const HiddenRows h = random_rows(shape.tokens, shape.out, shape.normed, layer.bias.options());
  const at::Tensor x = at::randn({shape.tokens, shape.in}, layer.bias.options());
  const at::Tensor wanted = layer.product(x) + normed(h, norm);
  const HiddenRows found = LinearPlusNorm(*layer.packed, layer.bias, norm).run(x, h);
  return std::max(error_of(found.rows, wanted, 1.2 * rounding_of(shape.dtype)),
                  error_of(found.norms.narrow(0, 0, shape.tokens), norms_of(wanted), kNormTolerance));
}

// Each shape's kernel is the one that proves fastest there.
void check_random_shapes(int shapes) {
  at::manual_seed(23);
  std::mt19937 random(23);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  for (int i = 0; i < shapes; ++i) {
    const Shape shape{kNormMultiple * (1 + below(8)), kLeastNormInputs + kNormMultiple * below(6),
                      below(3) == 0 ? 1 + below(3000) : 1 + below(300),
                      below(2) == 0 ? at::kHalf : at::kBFloat16, below(4) == 0};
    CATCH_INFO(shape.out << "x" << shape.in << " " << shape.dtype << " x " << shape.tokens);
    CATCH_CHECK(of_norm_error(shape, Activation::kNone) < 1);
    CATCH_CHECK(of_norm_error(shape, Activation::kGelu) < 1);
    CATCH_CHECK(plus_norm_error(shape) < 1);
  }
}

NormOperands operands_of(const at::Tensor& x, int64_t out, bool residual, Activation activation) {
  NormOperands operands;
  operands.x = x;
  const HiddenRows h = random_rows(x.size(0), residual ? out : x.size(1), false, x.options());
  operands.norms = h.norms;
  operands.terms = at::randn({out, 2}, h.norms.options());
  operands.activation = activation;
  if (!residual) return operands;
  operands.residual = h.rows;
  operands.new_norms = empty_norms(x);
  operands.epsilon = kEpsilon;
  return operands;
}

at::Tensor expected_of(const NormOperands& operands, const at::Tensor& weight) {
  const auto column = [](const at::Tensor& pairs, int64_t i) { return pairs.select(1, i).to(at::kDouble); };
  const at::Tensor norms = operands.norms.narrow(0, 0, operands.x.size(0));
  const at::Tensor scale = column(norms, 0).unsqueeze(1);
  const at::Tensor shift = column(norms, 1).unsqueeze(1);
  const at::Tensor factor = column(operands.terms, 0);
  const at::Tensor product = at::mm(operands.x.to(at::kDouble), weight.to(at::kDouble).t());
  const at::Tensor bias = column(operands.terms, 1);
  if (operands.residual.defined()) {
    return product + bias + factor * (operands.residual.to(at::kDouble) * scale + shift);
  }
  const at::Tensor y = product * scale + shift * factor + bias;
  return operands.activation == Activation::kGelu ? at::gelu(y) : y;
}

// As the first kernel's result, to the bit.
void check_kernels(const SparseGemm& sparse, const NormOperands& operands, int64_t out) {
  at::Tensor first;
  at::Tensor first_norms;
  const std::vector<std::string>& names = sparse.kernels(operands.epilogue());
  for (size_t kernel = 0; kernel < names.size(); ++kernel) {
    CATCH_INFO(names[kernel] << ", " << operands.x.scalar_type());
    at::Tensor d = at::full({operands.x.size(0), out}, 77, operands.x.options());
    if (operands.residual.defined()) at::Tensor(operands.new_norms).fill_(77);
    CATCH_REQUIRE(sparse.run_norm(kernel, operands, d));
    if (!first.defined()) first = d;
    CATCH_CHECK(at::equal(d, first));
    if (!operands.residual.defined()) continue;
    const at::Tensor norms = operands.new_norms.narrow(0, 0, d.size(0)).clone();
    if (!first_norms.defined()) first_norms = norms;
    CATCH_CHECK(error_of(norms, first_norms, kNormTolerance) < 1);
  }
}

}  // namespace

CATCH_TEST_CASE("2:4 products that take norms equal fp64's, on random shapes") {
  if (gpu_gemms() != nullptr) check_random_shapes(200);
}

CATCH_TEST_CASE("2:4 products that take norms equal fp64's, on a few shapes", "[sanitized][cutlass]") {
  if (gpu_gemms() != nullptr) check_random_shapes(5);
}

CATCH_TEST_CASE("every kernel that takes norms gives the same") {
  if (gpu_gemms() == nullptr) return;
  at::manual_seed(29);
  constexpr int64_t kOut = 768;
  constexpr int64_t kTokens = 7001;  // several tiles for each multiprocessor, of several rows of the weight
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    for (const int64_t in : {768, 1024, 3072}) {
      const auto sparse = gpu_gemms()->compress(random_2_4(kOut, in, dtype).to(kGpu));
      const at::Tensor x = at::randn({kTokens, in}, at::TensorOptions(kGpu).dtype(dtype));
      for (const NormOperands& operands :
           {operands_of(x, kOut, false, Activation::kNone), operands_of(x, kOut, false, Activation::kGelu),
            operands_of(x, kOut, true, Activation::kNone)}) {
        check_kernels(*sparse, operands, kOut);
      }
    }
  }
}

// For racecheck, which CUTLASS's kernels end.
CATCH_TEST_CASE("kernels whose weight stays in registers give fp64's products", "[sanitized]") {
  if (gpu_gemms() == nullptr) return;
  at::manual_seed(31);
  constexpr int64_t kOut = 512;
  for (const auto& [dtype, in] : {std::pair(at::kHalf, 768), std::pair(at::kBFloat16, 1024)}) {
    const at::Tensor weight = random_2_4(kOut, in, dtype).to(kGpu);
    const auto sparse = gpu_gemms()->compress(weight);
    const at::Tensor x = at::randn({300, in}, weight.options());
    for (const NormOperands& operands :
         {operands_of(x, kOut, false, Activation::kNone), operands_of(x, kOut, false, Activation::kGelu),
          operands_of(x, kOut, true, Activation::kNone)}) {
      int ran = 0;
      for (size_t kernel = 0; kernel < sparse->kernels(operands.epilogue()).size(); ++kernel) {
        const std::string& name = sparse->kernels(operands.epilogue())[kernel];
        if (name.find("stationary") == std::string::npos) continue;
        CATCH_INFO(name << ", " << dtype);
        at::Tensor d = at::full({300, kOut}, 77, x.options());
        CATCH_REQUIRE(sparse->run_norm(kernel, operands, d));
        const double error =
            error_of(d, expected_of(operands, weight), product_tolerance(dtype, operands.activation));
        CATCH_CHECK(error < 1);
        ++ran;
      }
      CATCH_CHECK(ran > 0);
    }
  }
}

CATCH_TEST_CASE("how fast 2:4 products that take norms are", "[.bench]") {
  if (gpu_gemms() == nullptr) return;
  std::printf("us; bias | gelu | norm of x | gelu(norm of x) | norm of the residual\n");
  const std::pair<int64_t, int64_t> shapes[] = {{2304, 768},  {768, 768},   {3072, 768}, {768, 3072},
                                                {3072, 1024}, {1024, 1024}, {4096, 1024}};
  for (const auto& [out, in] : shapes) {
    const auto sparse = gpu_gemms()->compress(random_2_4(out, in, at::kHalf).to(kGpu));
    for (const int64_t tokens : {1536, 6144, 24576, 98304}) {
      const at::Tensor x = at::randn({tokens, in}, at::TensorOptions(kGpu).dtype(at::kHalf));
      at::Tensor d = at::empty({tokens, out}, x.options());
      const auto time = [&](const auto& work) {
        std::printf(" %.1f", 1e3 * gpu_gemms()->milliseconds(work));
      };
      std::printf("%5ld x %4ld %6ld", static_cast<long>(out), static_cast<long>(in),
                  static_cast<long>(tokens));
      for (const Activation activation : {Activation::kNone, Activation::kGelu}) {
        const Operands plain{x, at::randn({out}, x.options()), activation, {}};
        std::printf(" |");
        for (size_t kernel = 0; kernel < sparse->kernels(plain.epilogue()).size(); ++kernel)
          time([&] { sparse->run(kernel, plain, d); });
      }
      for (const int each : {0, 1, 2}) {
        const NormOperands operands =
            operands_of(x, out, each == 2, each == 1 ? Activation::kGelu : Activation::kNone);
        std::printf(" |");
        for (size_t kernel = 0; kernel < sparse->kernels(operands.epilogue()).size(); ++kernel)
          time([&] { sparse->run_norm(kernel, operands, d); });
      }
      std::printf("\n");
    }
  }
}

}  // namespace prune2to4
