// SPDX-License-Identifier: Apache-2.0
#include "train/loss.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

Recipe recipe_of(double distill_weight, double temperature) {
  Recipe recipe;
  recipe.distill_weight = distill_weight;
  recipe.temperature = temperature;
  return recipe;
}

SpanLogits random_logits(const PackedBatch& batch, double size = 1) {
  const auto one = [&] {
    return (at::randn({batch.sequences, batch.width}) * size)
        .masked_fill(batch.real.logical_not(), kNoLogit)
        .set_requires_grad(true);
  };
  return {one(), one()};
}

// -log softmax(logits)[label], by hand.
double negative_log(const at::Tensor& row, int64_t length, int64_t label) {
  double sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += std::exp(row[i].item<double>());
  return std::log(sum) - row[label].item<double>();
}

// Rows of lengths 6, 7 and 8.
PackedBatch three_rows(const std::vector<float>& weights = {0.5F, 0.25F, 0.25F}) {
  const TokenizedSquad data = read_squad(small_squad_file());
  PackedBatch batch = pack_batch(data, {0, 1, 2}, {3, 0, 1, 1});
  for (size_t i = 0; i < weights.size(); ++i) batch.weight[static_cast<int64_t>(i)] = weights[i];
  return batch;
}

double value(const at::Tensor& tensor) { return tensor.item<double>(); }

at::Tensor softmax_of(const at::Tensor& row, int64_t length, double temperature) {
  return (row.narrow(0, 0, length) / temperature).to(at::kDouble).softmax(0);
}

}  // namespace

CATCH_TEST_CASE("the label loss is the weighted cross-entropy of start and end, halved, by hand") {
  at::manual_seed(1);
  const PackedBatch batch = three_rows();
  const SpanLogits logits = random_logits(batch);
  const Loss loss = span_loss(logits, batch, recipe_of(0.9, 2));
  double expected = 0;
  const std::vector<int64_t> lengths{6, 7, 8};
  const std::vector<int64_t> labels{0, 4, 3};
  const std::vector<double> weights{0.5, 0.25, 0.25};
  for (size_t row = 0; row < 3; ++row) {
    const auto at = static_cast<int64_t>(row);
    expected += weights[row] / 2 *
                (negative_log(logits.start[at], lengths[row], labels[row]) +
                 negative_log(logits.end[at], lengths[row], labels[row]));
  }
  CATCH_CHECK(value(loss.label) == Approx(expected).epsilon(1e-5));
  CATCH_CHECK(value(loss.total) == value(loss.label));
  CATCH_CHECK_FALSE(loss.distill.defined());
}

CATCH_TEST_CASE(
    "the label loss of a batch is LibTorch's mean cross-entropy over the logits without padding") {
  at::manual_seed(2);
  const PackedBatch batch = three_rows({1.0F / 3, 1.0F / 3, 1.0F / 3});
  const SpanLogits logits = random_logits(batch, 5);
  double expected = 0;
  for (int64_t row = 0; row < 3; ++row) {
    const int64_t length = batch.real[row].sum().item<int64_t>();
    for (const auto& [part, label] : {std::pair{logits.start, batch.start}, {logits.end, batch.end}}) {
      expected += value(at::cross_entropy_loss(part[row].narrow(0, 0, length), label[row])) / 6;
    }
  }
  CATCH_CHECK(value(span_loss(logits, batch, recipe_of(0, 1)).total) == Approx(expected).epsilon(1e-6));
}

CATCH_TEST_CASE("a label below 0 counts as 0, one beyond the width not at all") {
  at::manual_seed(3);
  PackedBatch batch = three_rows();
  const SpanLogits logits = random_logits(batch);
  batch.start[0] = -3;
  const double clamped = value(span_loss(logits, batch, recipe_of(0, 1)).label);
  batch.start[0] = 0;
  CATCH_CHECK(clamped == value(span_loss(logits, batch, recipe_of(0, 1)).label));

  const double whole = value(span_loss(logits, batch, recipe_of(0, 1)).label);
  const double of_one = 0.5 / 2 * negative_log(logits.start[0], 6, 0);
  for (const int64_t beyond : {batch.width, batch.width + 100}) {
    batch.start[0] = beyond;
    const Loss loss = span_loss(logits, batch, recipe_of(0, 1));
    CATCH_CHECK(value(loss.label) == Approx(whole - of_one).epsilon(1e-5));
    torch::autograd::backward({loss.total});
    CATCH_CHECK(logits.start.grad()[0].eq(0).all().item<bool>());
    CATCH_CHECK(logits.start.grad()[1].ne(0).any().item<bool>());
    logits.start.mutable_grad().zero_();
  }
}

CATCH_TEST_CASE("a row of weight 0 has no part in loss and gradient") {
  at::manual_seed(4);
  PackedBatch batch = three_rows({1, 0, 0});
  batch.teacher_start = random_logits(batch).start.detach();
  batch.teacher_end = random_logits(batch).end.detach();
  const SpanLogits logits = random_logits(batch);
  torch::autograd::backward({span_loss(logits, batch, recipe_of(0.5, 2)).total});
  CATCH_CHECK(logits.start.grad()[0].ne(0).any().item<bool>());
  CATCH_CHECK(logits.start.grad().narrow(0, 1, 2).eq(0).all().item<bool>());
  CATCH_CHECK(logits.end.grad().narrow(0, 1, 2).eq(0).all().item<bool>());
}

CATCH_TEST_CASE(
    "the divergence from a teacher is T * T times the Kullback-Leibler divergence at temperature T") {
  at::manual_seed(5);
  PackedBatch batch = three_rows();
  const SpanLogits logits = random_logits(batch, 2);
  const SpanLogits teacher = random_logits(batch, 2);
  batch.teacher_start = teacher.start.detach();
  batch.teacher_end = teacher.end.detach();
  for (const double temperature : {1.0, 2.0, 5.0}) {
    double expected = 0;
    for (int64_t row = 0; row < 3; ++row) {
      const int64_t length = 6 + row;
      for (const auto& [student, wanted] :
           {std::pair{logits.start, teacher.start}, {logits.end, teacher.end}}) {
        const at::Tensor p = softmax_of(wanted[row], length, temperature);
        const at::Tensor q = softmax_of(student[row], length, temperature);
        expected +=
            value(batch.weight[row]) / 2 * temperature * temperature * value((p * (p / q).log()).sum());
      }
    }
    const Loss loss = span_loss(logits, batch, recipe_of(0.3, temperature));
    CATCH_CHECK(value(loss.distill) == Approx(expected).epsilon(1e-5));
    CATCH_CHECK(value(loss.total) == Approx(0.7 * value(loss.label) + 0.3 * expected).epsilon(1e-5));
  }
}

CATCH_TEST_CASE("a model does not diverge from itself") {
  at::manual_seed(6);
  PackedBatch batch = three_rows();
  const SpanLogits logits = random_logits(batch, 3);
  batch.teacher_start = logits.start.detach() + 1.5;  // a constant changes no probability
  batch.teacher_end = logits.end.detach();
  const Loss loss = span_loss(logits, batch, recipe_of(1, 3));
  CATCH_CHECK(std::abs(value(loss.distill)) < 1e-6);
  torch::autograd::backward({loss.total});
  CATCH_CHECK(value(logits.start.grad().abs().max()) < 1e-6);
}

CATCH_TEST_CASE("how much a batch is padded changes neither loss nor gradient") {
  const TokenizedSquad data = read_squad(small_squad_file());
  const PackedBatch narrow = pack_batch(data, {0, 1, 2}, {3, 0, 1, 1.0 / 3});
  const PackedBatch wide = pack_batch(data, {0, 1, 2}, {3, narrow.width + 7, 1, 1.0 / 3});
  at::manual_seed(7);
  const SpanLogits source = random_logits(narrow);
  const SpanLogits teacher = random_logits(narrow);
  const auto run = [&](PackedBatch batch) {
    const auto padded = [&](const at::Tensor& tensor) {
      return at::constant_pad_nd(tensor.detach(), {0, batch.width - narrow.width}, kNoLogit)
          .set_requires_grad(true);
    };
    batch.teacher_start = padded(teacher.start).detach();
    batch.teacher_end = padded(teacher.end).detach();
    const SpanLogits logits{padded(source.start), padded(source.end)};
    const Loss loss = span_loss(logits, batch, recipe_of(0.5, 2));
    torch::autograd::backward({loss.total});
    return std::tuple{value(loss.label), value(loss.distill), logits.start.grad(), logits.end.grad()};
  };
  const auto [label, distill, start, end] = run(narrow);
  const auto [wide_label, wide_distill, wide_start, wide_end] = run(wide);
  CATCH_CHECK(wide_label == Approx(label).epsilon(1e-6));
  CATCH_CHECK(wide_distill == Approx(distill).epsilon(1e-6));
  CATCH_CHECK(at::allclose(wide_start.narrow(1, 0, narrow.width), start, 1e-5, 1e-8));
  CATCH_CHECK(at::allclose(wide_end.narrow(1, 0, narrow.width), end, 1e-5, 1e-8));
  CATCH_CHECK(wide_start.narrow(1, narrow.width, 7).eq(0).all().item<bool>());
}

}  // namespace prune2to4
