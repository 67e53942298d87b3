// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace prune2to4 {
namespace {

constexpr double kRate = 0.01;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const std::vector<PrunedWeight> kPruned{{"pruned.weight", {}}};

// A pruned matrix, another one, a bias and a norm's weight.
Parameters some_parameters() {
  at::manual_seed(1);
  return make_parameters({{"norm.weight", at::randn({8})},
                          {"other.weight", at::randn({3, 8})},
                          {"pruned.weight", at::randn({4, 8})},
                          {"pruned.bias", at::randn({4})}},
                         kPruned, at::kCPU);
}

Recipe some_recipe() {
  Recipe recipe;
  recipe.weight_decay = 0.1;
  recipe.clip_norm = 0;
  return recipe;
}

// One element of AdamW (Loshchilov and Hutter, 2019, algorithm 2), in double.
struct Reference {
  double value = 0;
  double m = 0;
  double v = 0;

  void update(double gradient, int step, double weight_decay) {
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient * gradient;
    const double unbiased_m = m / (1 - std::pow(0.9, step));
    const double unbiased_v = v / (1 - std::pow(0.999, step));
    value -= kRate * weight_decay * value + kRate * unbiased_m / (std::sqrt(unbiased_v) + 1e-8);
  }
};

std::vector<Reference> references(const Parameters& parameters) {
  std::vector<Reference> all;
  for (int64_t i = 0; i < parameters.size; ++i) all.push_back({parameters.values[i].item<double>()});
  return all;
}

at::Tensor values_of(const std::vector<Reference>& all) {
  at::Tensor values = at::empty({static_cast<int64_t>(all.size())});
  for (size_t i = 0; i < all.size(); ++i) values[static_cast<int64_t>(i)] = all[i].value;
  return values;
}

struct State {
  at::Tensor values, exp_avg, exp_avg_sq, steps, average, saliency;
};
State state_of(const Parameters& parameters, const Optimizer& optimizer) {
  const auto copy = [](const at::Tensor& tensor) { return tensor.defined() ? tensor.clone() : tensor; };
  return {copy(parameters.values), copy(optimizer.exp_avg), copy(optimizer.exp_avg_sq),
          copy(optimizer.steps),   copy(optimizer.average), copy(optimizer.saliency)};
}

const at::Tensor kLoss = at::ones({});

}  // namespace

CATCH_TEST_CASE(
    "pruned weights come first, then what decays, then what does not, all as views of flat memory") {
  const Parameters parameters = some_parameters();
  std::vector<std::string> names;
  for (const Parameter& each : parameters.list) names.push_back(each.name);
  CATCH_CHECK(names ==
              std::vector<std::string>{"pruned.weight", "other.weight", "norm.weight", "pruned.bias"});
  CATCH_CHECK(parameters.pruned == 32);
  CATCH_CHECK(parameters.decayed == 32 + 24);
  CATCH_CHECK(parameters.size == 32 + 24 + 8 + 4);
  CATCH_CHECK(parameters.mask.eq(1).all().item<bool>());
  for (const Parameter& each : parameters.list) {
    CATCH_CHECK(each.value.is_leaf());
    CATCH_CHECK(each.value.requires_grad());
    CATCH_CHECK(each.value.const_data_ptr() == parameters.values[each.offset].const_data_ptr());
    CATCH_CHECK(each.value.grad().const_data_ptr() == parameters.gradients[each.offset].const_data_ptr());
    CATCH_CHECK(each.value.numel() == each.size);
  }
  (parameters.at("other.weight").value * 3).sum().backward();
  CATCH_CHECK(parameters.gradients.narrow(0, 32, 24).eq(3).all().item<bool>());
  CATCH_CHECK(parameters.gradients.sum().item<double>() == 72);
}

CATCH_TEST_CASE("updates are AdamW's, with decay of matrices alone") {
  Parameters parameters = some_parameters();
  const Recipe recipe = some_recipe();
  Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
  optimizer.rate.fill_(kRate);
  auto expected = references(parameters);
  for (int step = 1; step <= 10; ++step) {
    parameters.gradients.copy_(at::randn({parameters.size}) * std::pow(10.0, step % 4 - 2));
    for (int64_t i = 0; i < parameters.size; ++i) {
      expected[static_cast<size_t>(i)].update(parameters.gradients[i].item<double>(), step,
                                              i < parameters.decayed ? recipe.weight_decay : 0);
    }
    const double norm = parameters.gradients.norm().item<double>();
    update(parameters, optimizer, recipe, kLoss);
    CATCH_CHECK(at::allclose(parameters.values, values_of(expected), 1e-5, 1e-7));
    CATCH_CHECK(optimizer.gradient_norm.item<double>() == Approx(norm).epsilon(1e-5));
    CATCH_CHECK(optimizer.steps.item<double>() == step);
    CATCH_CHECK(optimizer.skipped.item<double>() == 0);
  }
}

CATCH_TEST_CASE("gradients are clipped by the norm of all of them together") {
  for (const double clip_norm : {0.5, 1e6}) {
    Parameters parameters = some_parameters();
    Recipe recipe = some_recipe();
    recipe.clip_norm = clip_norm;
    Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
    optimizer.rate.fill_(kRate);
    auto expected = references(parameters);
    for (int step = 1; step <= 3; ++step) {
      // The sizes differ: Adam alone would not see one common factor.
      parameters.gradients.copy_(at::randn({parameters.size}) * step);
      const double norm = parameters.gradients.norm().item<double>();
      const double factor = std::min(1.0, clip_norm / norm);
      for (int64_t i = 0; i < parameters.size; ++i) {
        expected[static_cast<size_t>(i)].update(parameters.gradients[i].item<double>() * factor, step,
                                                i < parameters.decayed ? recipe.weight_decay : 0);
      }
      update(parameters, optimizer, recipe, kLoss);
      CATCH_CHECK(optimizer.gradient_norm.item<double>() == Approx(norm).epsilon(1e-5));
    }
    CATCH_CHECK(at::allclose(parameters.values, values_of(expected), 1e-5, 1e-6));
    CATCH_CHECK(optimizer.exp_avg_sq[0].item<double>() == Approx(expected[0].v).epsilon(1e-4));
  }
}

CATCH_TEST_CASE("a gradient or loss that is not finite changes nothing") {
  for (const bool in_loss : {false, true}) {
    for (const float bad : {kNan, std::numeric_limits<float>::infinity()}) {
      Parameters parameters = some_parameters();
      Recipe recipe = some_recipe();
      recipe.clip_norm = 1;
      recipe.ema = 0.9;
      recipe.mask_policy = MaskPolicy::kGradual;
      recipe.mask_score = MaskScore::kMomentum;
      Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
      optimizer.rate.fill_(kRate);
      parameters.gradients.copy_(at::randn({parameters.size}));
      update(parameters, optimizer, recipe, kLoss);
      const State before = state_of(parameters, optimizer);

      parameters.gradients.copy_(at::randn({parameters.size}));
      if (!in_loss) parameters.gradients[5] = bad;
      update(parameters, optimizer, recipe, in_loss ? at::full({}, bad) : kLoss);
      CATCH_CHECK(optimizer.skipped.item<double>() == 1);
      const State after = state_of(parameters, optimizer);
      for (const auto field : {&State::values, &State::exp_avg, &State::exp_avg_sq, &State::steps,
                               &State::average, &State::saliency}) {
        CATCH_CHECK(at::equal(after.*field, before.*field));
      }
      parameters.gradients.copy_(at::randn({parameters.size}));
      update(parameters, optimizer, recipe, kLoss);
      CATCH_CHECK(optimizer.skipped.item<double>() == 0);
      CATCH_CHECK_FALSE(at::equal(parameters.values, before.values));
    }
  }
}

CATCH_TEST_CASE("in fp16 the loss's scale is divided out, halved by a skipped step, and raised in time") {
  Parameters parameters = some_parameters();
  Parameters plain = some_parameters();
  const Recipe recipe = some_recipe();
  Optimizer scaled = make_optimizer(parameters, recipe, Precision::kFp16);
  Optimizer optimizer = make_optimizer(plain, recipe, Precision::kFp32);
  scaled.rate.fill_(kRate);
  optimizer.rate.fill_(kRate);
  CATCH_CHECK(scaled.scale.item<double>() == 65536);
  CATCH_CHECK(optimizer.scale.item<double>() == 1);
  plain.gradients.copy_(at::randn({plain.size}));
  parameters.gradients.copy_(plain.gradients * 65536);
  const double norm = plain.gradients.norm().item<double>();
  update(parameters, scaled, recipe, kLoss);
  update(plain, optimizer, recipe, kLoss);
  CATCH_CHECK(at::allclose(parameters.values, plain.values, 1e-6, 1e-8));
  CATCH_CHECK(scaled.gradient_norm.item<double>() == Approx(norm).epsilon(1e-5));

  parameters.gradients.fill_(kNan);
  update(parameters, scaled, recipe, kLoss);
  CATCH_CHECK(scaled.scale.item<double>() == 32768);
  for (int i = 0; i < 2000; ++i) {
    parameters.gradients.fill_(0);
    update(parameters, scaled, recipe, kLoss);
  }
  CATCH_CHECK(scaled.scale.item<double>() == 65536);
}

CATCH_TEST_CASE(
    "pruned elements and both of their moments stay zero, whatever their gradients and decay are") {
  Parameters parameters = some_parameters();
  Recipe recipe = some_recipe();
  recipe.ema = 0.9;
  Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
  optimizer.rate.fill_(kRate);
  parameters.mask.copy_(at::arange(32).remainder(4).lt(2).to(at::kFloat));
  const at::Tensor pruned = parameters.mask.eq(0);
  for (at::Tensor* flat : {&parameters.values, &optimizer.average})
    flat->narrow(0, 0, 32).mul_(parameters.mask).add_(0.0);
  for (int step = 0; step < 20; ++step) {
    parameters.gradients.copy_(at::randn({parameters.size}) * 100);
    update(parameters, optimizer, recipe, kLoss);
    for (const at::Tensor& flat :
         {parameters.values, optimizer.exp_avg, optimizer.exp_avg_sq, optimizer.average}) {
      const at::Tensor range = flat.narrow(0, 0, 32);
      CATCH_CHECK(range.masked_select(pruned).view(at::kInt).eq(0).all().item<bool>());
      CATCH_CHECK(range.masked_select(pruned.logical_not()).ne(0).all().item<bool>());
    }
  }
}

CATCH_TEST_CASE("the moving average is young at first, and has the recipe's decay in the end") {
  Parameters parameters = some_parameters();
  Recipe recipe = some_recipe();
  recipe.ema = 0.5;
  Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
  optimizer.rate.fill_(kRate);
  CATCH_CHECK(at::equal(optimizer.average, parameters.values));
  at::Tensor expected = parameters.values.clone();
  for (int step = 1; step <= 30; ++step) {
    parameters.gradients.copy_(at::randn({parameters.size}));
    update(parameters, optimizer, recipe, kLoss);
    const double decay = std::min(0.5, (step + 1.0) / (step + 10.0));
    expected = expected * decay + parameters.values * (1 - decay);
    CATCH_CHECK(at::allclose(optimizer.average, expected, 1e-5, 1e-7));
  }
  CATCH_CHECK_FALSE(make_optimizer(parameters, some_recipe(), Precision::kFp32).average.defined());
}

CATCH_TEST_CASE("saliency is the momentum of |weight * gradient|") {
  Parameters parameters = some_parameters();
  Recipe recipe = some_recipe();
  recipe.mask_policy = MaskPolicy::kGradual;
  recipe.mask_score = MaskScore::kMomentum;
  Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
  optimizer.rate.fill_(kRate);
  at::Tensor expected = at::zeros({32});
  for (int step = 0; step < 5; ++step) {
    parameters.gradients.copy_(at::randn({parameters.size}));
    expected =
        expected * 0.9 + (parameters.values.narrow(0, 0, 32) * parameters.gradients.narrow(0, 0, 32)).abs();
    update(parameters, optimizer, recipe, kLoss);
    CATCH_CHECK(at::allclose(optimizer.saliency, expected));
  }
}

CATCH_TEST_CASE("a cleared optimizer is as it was made") {
  Parameters parameters = some_parameters();
  Recipe recipe = some_recipe();
  recipe.ema = 0.9;
  recipe.mask_policy = MaskPolicy::kGradual;
  recipe.mask_score = MaskScore::kMomentum;
  Optimizer optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
  optimizer.rate.fill_(kRate);
  parameters.gradients.fill_(1);
  update(parameters, optimizer, recipe, kLoss);
  optimizer.clear(parameters);
  for (const at::Tensor& each :
       {optimizer.exp_avg, optimizer.exp_avg_sq, optimizer.steps, optimizer.saliency})
    CATCH_CHECK(each.eq(0).all().item<bool>());
  CATCH_CHECK(at::equal(optimizer.average, parameters.values));
}

}  // namespace prune2to4
