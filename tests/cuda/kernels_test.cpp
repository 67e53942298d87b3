// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <cmath>

#include "cuda/gpu.h"

namespace prune2to4 {

namespace {

constexpr double kEpsilon = 1e-12;

struct Shape {
  int64_t rows;
  int64_t width;
};
const std::vector<Shape> kShapes = {{1, 8},      {7, 256},     {5000, 384}, {333, 512},
                                    {4097, 768}, {1000, 1024}, {77, 2048},  {900, 3072},
                                    {650, 4096}, {130, 5120},  {129, 8192}, {12, 1000}};

struct Inputs {
  Shape shape;
  at::ScalarType dtype;
  at::Tensor x;
  at::Tensor residual;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor dy;

  Inputs(Shape shape_, at::ScalarType dtype_) : shape(shape_), dtype(dtype_) {
    at::manual_seed(11);
    const at::TensorOptions options = at::TensorOptions(kGpu).dtype(at::kFloat);
    x = at::randn({shape.rows, shape.width}, options).to(dtype);
    residual = at::randn({shape.rows, shape.width}, options).add(0.3).to(dtype);
    weight = at::randn({shape.width}, options);
    bias = at::randn({shape.width}, options);
    dy = at::randn({shape.rows, shape.width}, options).to(dtype);
  }
};

// What half a unit in the last place is, of 1.
double rounding(at::ScalarType dtype) { return dtype == at::kHalf ? 0x1p-11 : 0x1p-8; }

// dout of LayerNorm in fp64.
at::Tensor norm_backward(const at::Tensor& dy, const at::Tensor& out, const at::Tensor& weight) {
  const at::Tensor values = out.to(at::kDouble);
  const at::Tensor mean = values.mean(1, true);
  const at::Tensor rstd = (values.var(1, false, true) + kEpsilon).rsqrt();
  const at::Tensor n = (values - mean) * rstd;
  const at::Tensor g = dy.to(at::kDouble) * weight.to(at::kDouble);
  return rstd * (g - g.mean(1, true) - n * (g * n).mean(1, true));
}

at::Tensor normalised(const at::Tensor& out) {
  const at::Tensor values = out.to(at::kDouble);
  return (values - values.mean(1, true)) * (values.var(1, false, true) + kEpsilon).rsqrt();
}

at::Tensor normed(const at::Tensor& sum, const Inputs& inputs) {
  return normalised(sum) * inputs.weight.to(at::kDouble) + inputs.bias.to(at::kDouble);
}

// Calls `check` with inputs of each shape in each dtype.
template <typename Check>
void for_each_input(const Check& check) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    for (const Shape shape : kShapes) {
      CATCH_INFO(dtype << " " << shape.rows << " x " << shape.width);
      check(Inputs(shape, dtype));
    }
  }
}

// Where dropout kept x: out differs from the residual, or x is zero.
at::Tensor kept_of(const DropoutAddNorm& forward, const Inputs& inputs) {
  return forward.out.ne(inputs.residual);
}

}  // namespace

CATCH_TEST_CASE("without dropout the fused LayerNorm equals ATen's in fp64, for each width and dtype",
                "[sanitized]") {
  if (!has_kernels()) return;
  for_each_input([](const Inputs& inputs) {
    const DropoutAddNorm forward =
        cuda_backend().dropout_add_norm(inputs.x, inputs.residual, inputs.weight, inputs.bias, kEpsilon, 0);
    CATCH_CHECK(at::equal(forward.out, inputs.x + inputs.residual));
    CATCH_CHECK_FALSE(forward.rng.defined());
    const at::Tensor values = forward.out.to(at::kDouble);
    const at::Tensor y = normalised(forward.out) * inputs.weight + inputs.bias;
    CATCH_CHECK(error_of(forward.y, y, rounding(inputs.dtype)) < 1.01);
    CATCH_CHECK(error_of(forward.mean, values.mean(1), 1e-5) < 1);
    CATCH_CHECK(error_of(forward.rstd, (values.var(1, false) + kEpsilon).rsqrt(), 1e-5) < 1);
  });
}

CATCH_TEST_CASE(
    "without dropout the fused backward pass equals fp64, and its sums are those of the columns") {
  if (!has_kernels()) return;
  for_each_input([](const Inputs& inputs) {
    const DropoutAddNorm forward =
        cuda_backend().dropout_add_norm(inputs.x, inputs.residual, inputs.weight, inputs.bias, kEpsilon, 0);
    const DropoutAddNormGradients gradients =
        cuda_backend().dropout_add_norm_backward(inputs.dy, forward, inputs.weight, 0);
    CATCH_CHECK(error_of(gradients.residual, norm_backward(inputs.dy, forward.out, inputs.weight),
                         rounding(inputs.dtype)) < 1.05);
    CATCH_CHECK(at::equal(gradients.x, gradients.residual));
    const at::Tensor dy = inputs.dy.to(at::kDouble);
    const double tolerance = 1e-5 * std::sqrt(static_cast<double>(inputs.shape.rows));
    CATCH_CHECK(error_of(gradients.weight, (dy * normalised(forward.out)).sum(0), tolerance) < 1);
    CATCH_CHECK(error_of(gradients.bias, dy.sum(0), tolerance) < 1);
    CATCH_CHECK(error_of(gradients.x_sum, gradients.x.to(at::kDouble).sum(0), tolerance) < 1);
  });
}

CATCH_TEST_CASE("dropout keeps the right share, scales it, and the backward pass makes the same mask again") {
  if (!has_kernels()) return;
  for (const double dropout : {0.1, 0.5}) {
    for (const Shape shape : {Shape{4097, 768}, Shape{900, 3072}, Shape{129, 8192}}) {
      CATCH_INFO(dropout << " " << shape.rows << " x " << shape.width);
      Inputs inputs(shape, at::kHalf);
      inputs.x.fill_(1);
      inputs.residual.zero_();
      const DropoutAddNorm forward = cuda_backend().dropout_add_norm(inputs.x, inputs.residual, inputs.weight,
                                                                     inputs.bias, kEpsilon, dropout);
      const at::Tensor kept = kept_of(forward, inputs);
      const double share = kept.to(at::kDouble).mean().item<double>();
      const double count = static_cast<double>(shape.rows * shape.width);
      CATCH_CHECK(std::abs(share - (1 - dropout)) < 5 * std::sqrt(dropout * (1 - dropout) / count) + 1e-5);
      const at::Tensor scaled = at::full_like(forward.out, 1 / (1 - dropout));
      CATCH_CHECK(at::equal(forward.out, at::where(kept, scaled, at::zeros_like(scaled))));
      const at::Tensor columns = kept.to(at::kDouble).mean(0);  // no column and no row is favoured
      const double spread = std::sqrt(dropout * (1 - dropout) / static_cast<double>(shape.rows));
      CATCH_CHECK(columns.sub(1 - dropout).abs().max().item<double>() < 6 * spread);

      const DropoutAddNormGradients gradients =
          cuda_backend().dropout_add_norm_backward(inputs.dy, forward, inputs.weight, dropout);
      const at::Tensor dout = norm_backward(inputs.dy, forward.out, inputs.weight);
      CATCH_CHECK(error_of(gradients.residual, dout, rounding(at::kHalf)) < 1.05);
      const at::Tensor dx = at::where(kept, dout / (1 - dropout), at::zeros_like(dout));
      CATCH_CHECK(error_of(gradients.x, dx, rounding(at::kHalf)) < 1.05);
      const double tolerance = 1e-5 * std::sqrt(static_cast<double>(shape.rows));
      CATCH_CHECK(error_of(gradients.x_sum, gradients.x.to(at::kDouble).sum(0), tolerance) < 1);
    }
  }
}

CATCH_TEST_CASE("two calls drop differently, the same state of the generator drops the same") {
  if (!has_kernels()) return;
  const Inputs inputs({256, 768}, at::kBFloat16);
  const auto draw = [&] {
    return cuda_backend().dropout_add_norm(inputs.x, inputs.residual, inputs.weight, inputs.bias, kEpsilon,
                                           0.1);
  };
  at::manual_seed(3);
  const DropoutAddNorm first = draw();
  const DropoutAddNorm second = draw();
  at::manual_seed(3);
  const DropoutAddNorm again = draw();
  CATCH_CHECK_FALSE(at::equal(first.out, second.out));
  CATCH_CHECK(at::equal(first.out, again.out));
  CATCH_CHECK(at::equal(first.y, again.y));
  CATCH_CHECK(at::equal(first.rng, again.rng));
  CATCH_CHECK(first.rng[0].item<int64_t>() == 3);
  at::manual_seed(3);  // without dropout no random number is used
  cuda_backend().dropout_add_norm(inputs.x, inputs.residual, inputs.weight, inputs.bias, kEpsilon, 0);
  CATCH_CHECK(at::equal(draw().out, first.out));
}

CATCH_TEST_CASE("gelu's gradient equals fp64's, with the sum of its columns") {
  if (!has_kernels()) return;
  for_each_input([](const Inputs& inputs) {
    const at::Tensor x = inputs.x * 3;
    const auto [dx, sum] = cuda_backend().gelu_backward(inputs.dy, x);
    const at::Tensor expected = at::gelu_backward(inputs.dy.to(at::kDouble), x.to(at::kDouble));
    CATCH_CHECK(error_of(dx, expected, rounding(inputs.dtype)) < 1.05);
    const double tolerance = 1e-5 * std::sqrt(static_cast<double>(inputs.shape.rows));
    CATCH_CHECK(error_of(sum, dx.to(at::kDouble).sum(0), tolerance) < 1);
  });
}

CATCH_TEST_CASE("gelu's gradient is exact far from zero") {
  if (!has_kernels()) return;
  const at::Tensor x =
      at::linspace(-9, 9, 8 * 4096, at::TensorOptions(kGpu).dtype(at::kFloat)).to(at::kHalf).view({-1, 8});
  const at::Tensor dx = cuda_backend().gelu_backward(at::ones_like(x), x).first;
  const at::Tensor expected = at::gelu_backward(at::ones_like(x).to(at::kDouble), x.to(at::kDouble));
  CATCH_CHECK((dx.to(at::kDouble) - expected).abs().max().item<double>() < 0x1p-11 * 1.2);
  const at::Tensor small = expected.abs().lt(1e-2);
  CATCH_CHECK((dx.to(at::kDouble) - expected).abs().masked_select(small).max().item<double>() < 1e-5);
}

CATCH_TEST_CASE("column sums equal fp64's, repeat to the bit, and take any layout") {
  if (!has_kernels()) return;
  for_each_input([](const Inputs& inputs) {
    const at::Tensor sum = cuda_backend().column_sum(inputs.x);
    const double tolerance = 1e-5 * std::sqrt(static_cast<double>(inputs.shape.rows));
    CATCH_CHECK(error_of(sum, inputs.x.to(at::kDouble).sum(0), tolerance) < 1);
    CATCH_CHECK(at::equal(sum, cuda_backend().column_sum(inputs.x)));
    const at::Tensor transposed = inputs.x.t().contiguous().t();
    CATCH_CHECK(at::equal(sum, cuda_backend().column_sum(transposed)));
  });
  const at::Tensor odd =
      at::randn({17 * 8 + 1}, kGpu).to(at::kHalf).slice(0, 1).view({17, 8});  // not aligned
  CATCH_CHECK(error_of(cuda_backend().column_sum(odd), odd.to(at::kDouble).sum(0), 1e-5) < 1);
  const at::Tensor none = at::empty({0, 8}, at::TensorOptions(kGpu).dtype(at::kHalf));
  CATCH_CHECK(cuda_backend().column_sum(none).eq(0).all().item<bool>());
}

CATCH_TEST_CASE("the encoder's norms equal fp64's, for each width and dtype", "[sanitized]") {
  if (!has_kernels()) return;
  for_each_input([](const Inputs& inputs) {
    const at::Tensor y =
        cuda_backend().add_norm(inputs.x, inputs.residual, inputs.weight, inputs.bias, kEpsilon);
    const at::Tensor sum = inputs.x.to(at::kDouble) + inputs.residual.to(at::kDouble);
    CATCH_CHECK(error_of(y, normed(sum, inputs), 1.1 * rounding(inputs.dtype)) < 1);

    const at::TensorOptions whole = at::TensorOptions(kGpu).dtype(at::kInt);
    EmbeddingTables tables{inputs.x, inputs.residual, {}, inputs.weight, inputs.bias, kEpsilon};
    const at::Tensor ids = at::randint(0, inputs.shape.rows, {50}, whole);
    const at::Tensor places = at::randint(0, inputs.shape.rows, {50}, whole);
    const at::Tensor types = at::randint(0, 2, {50}, whole);
    at::Tensor rows = inputs.x.index({ids}).to(at::kDouble) + inputs.residual.index({places}).to(at::kDouble);
    const auto embedded = [&] { return cuda_backend().embed_norm(tables, ids, places, types); };
    CATCH_CHECK(error_of(embedded(), normed(rows, inputs), 1.1 * rounding(inputs.dtype)) < 1);
    tables.segments = inputs.dy.narrow(0, 0, 1).expand({2, inputs.shape.width});
    rows += tables.segments.index({types}).to(at::kDouble);
    CATCH_CHECK(error_of(embedded(), normed(rows, inputs), 1.1 * rounding(inputs.dtype)) < 1);
  });
}

CATCH_TEST_CASE("the logits of a span equal fp64's, for each width and dtype, in their slots",
                "[sanitized]") {
  if (!has_kernels()) return;
  for_each_input([](const Inputs& inputs) {
    const double spread = 1 / std::sqrt(static_cast<double>(inputs.shape.width));
    const SpanHead head{inputs.weight, inputs.bias, kEpsilon,
                        (at::randn({2, inputs.shape.width}, kGpu) * spread).to(inputs.dtype),
                        at::randn({2}, kGpu).to(inputs.dtype)};
    const at::Tensor slots = at::randperm(inputs.shape.rows + 3, at::TensorOptions(kGpu).dtype(at::kLong))
                                 .narrow(0, 0, inputs.shape.rows);
    for (const at::Tensor& residual : {at::Tensor(), inputs.residual}) {
      at::Tensor logits = at::full({inputs.shape.rows + 3, 2}, 77.0, kGpu);
      at::Tensor expected = logits.to(at::kDouble);
      cuda_backend().span_logits(head, inputs.x, residual, slots, logits);
      at::Tensor sum = inputs.x.to(at::kDouble);
      if (residual.defined()) sum = sum + residual.to(at::kDouble);
      const at::Tensor y = normed(sum, inputs);
      expected.index_copy_(0, slots, at::linear(y, head.weight.to(at::kDouble), head.bias.to(at::kDouble)));
      CATCH_CHECK(error_of(logits, expected, 1e-5) < 1);
    }
  });
}

CATCH_TEST_CASE("what the kernels cannot do is refused") {
  if (!has_kernels()) return;
  const Inputs inputs({4, 16}, at::kHalf);
  CudaBackend& backend = cuda_backend();
  CATCH_CHECK_THROWS_AS(backend.column_sum(at::ones({4, 12}, inputs.x.options())), c10::Error);
  CATCH_CHECK_THROWS_AS(backend.column_sum(at::ones({4, 16}, kGpu)), c10::Error);
  CATCH_CHECK_THROWS_AS(backend.gelu_backward(inputs.dy, inputs.x.slice(0, 1)), c10::Error);
  CATCH_CHECK_THROWS_AS(backend.dropout_add_norm(inputs.x, inputs.residual, inputs.weight.slice(0, 1),
                                                 inputs.bias, kEpsilon, 0.1),
                        c10::Error);
  CATCH_CHECK_THROWS_AS(
      backend.dropout_add_norm(inputs.x, inputs.residual, inputs.weight, inputs.bias, kEpsilon, 1),
      c10::Error);
  const SpanHead head{inputs.weight, inputs.bias, kEpsilon, inputs.x.slice(0, 0, 2),
                      inputs.x[0].slice(0, 0, 2)};
  const at::Tensor slots = at::arange(4, at::TensorOptions(kGpu).dtype(at::kLong));
  at::Tensor logits = at::empty({4, 2}, kGpu);
  CATCH_CHECK_THROWS_AS(backend.span_logits(head, inputs.x, {}, slots.slice(0, 1), logits), c10::Error);
  at::Tensor halves = logits.to(at::kHalf);
  CATCH_CHECK_THROWS_AS(backend.span_logits(head, inputs.x, {}, slots, halves), c10::Error);
}

}  // namespace prune2to4
