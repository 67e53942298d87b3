// SPDX-License-Identifier: Apache-2.0
#include "train/mask_policy.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

struct Masked {
  std::vector<PrunedWeight> pruned{{"first.weight", {}}, {"second.weight", {}}};
  Parameters parameters;
  Optimizer optimizer;

  explicit Masked(MaskScore score, const MaskOptions& options = {}) {
    pruned[1].mask = options;
    at::manual_seed(3);
    parameters = make_parameters({{"first.weight", at::randn({8, 16})},
                                  {"bias", at::randn({8})},
                                  {"second.weight", at::randn({6, 12})},
                                  {"other.weight", at::randn({4, 4})}},
                                 pruned, at::kCPU);
    Recipe recipe;
    recipe.ema = 0.9;
    recipe.mask_policy = MaskPolicy::kGradual;
    recipe.mask_score = score;
    optimizer = make_optimizer(parameters, recipe, Precision::kFp32);
    for (at::Tensor* each : {&optimizer.exp_avg, &optimizer.exp_avg_sq, &optimizer.saliency}) {
      if (each->defined()) each->copy_(at::randn(each->sizes()).abs());
    }
  }

  at::Tensor mask_of(const std::string& name) const {
    const Parameter& parameter = parameters.at(name);
    return parameters.mask.narrow(0, parameter.offset, parameter.size).view(parameter.value.sizes());
  }
  // As a step of training does, which leaves pruned elements alone.
  void change_weights() {
    parameters.values.narrow(0, 0, parameters.pruned).add_(at::randn({parameters.pruned}) * parameters.mask);
    if (optimizer.saliency.defined())
      optimizer.saliency.copy_(at::rand({parameters.pruned}) * parameters.mask);
  }
};

at::Tensor expected_mask(const at::Tensor& score, const MaskOptions& options) {
  return at::tensor(weight_norm_mask(score.detach().contiguous(), options), at::kByte).view(score.sizes());
}

bool is_exactly_2_4(const at::Tensor& mask) { return mask.view({-1, 4}).sum(1).eq(2).all().item<bool>(); }

}  // namespace

CATCH_TEST_CASE("a one-shot mask is that of the weights' norms, by each layer's options") {
  const MaskOptions options{0.75, {2, 4}, 5, 1, Ties::kLowestIndex};
  Masked all(MaskScore::kWeightNorm, options);
  const at::Tensor first = expected_mask(all.parameters.at("first.weight").value, {});
  const at::Tensor second = expected_mask(all.parameters.at("second.weight").value, options);
  const at::Tensor before = all.parameters.values.clone();
  refresh_masks(all.parameters, all.optimizer, 1);
  CATCH_CHECK(at::equal(all.mask_of("first.weight"), first));
  CATCH_CHECK(at::equal(all.mask_of("second.weight"), second));
  CATCH_CHECK(is_exactly_2_4(first));
  CATCH_CHECK(all.parameters.values.narrow(0, 0, all.parameters.pruned)
                  .equal(before.narrow(0, 0, all.parameters.pruned) * all.parameters.mask));
  const int64_t rest = all.parameters.size - all.parameters.pruned;
  CATCH_CHECK(at::equal(all.parameters.values.narrow(0, all.parameters.pruned, rest),
                        before.narrow(0, all.parameters.pruned, rest)));
  CATCH_CHECK(check_masks(all.parameters) ==
              Approx(all.parameters.mask.eq(0).to(at::kDouble).mean().item<double>()));
}

CATCH_TEST_CASE("a pruned element is +0.0, and so are its average, moments and saliency") {
  Masked all(MaskScore::kMomentum);
  all.parameters.values.neg_();
  all.optimizer.exp_avg.neg_();
  refresh_masks(all.parameters, all.optimizer, 1);
  const at::Tensor pruned = all.parameters.mask.eq(0);
  CATCH_CHECK(pruned.sum().item<int64_t>() == all.parameters.pruned / 2);
  for (const at::Tensor& flat : {all.parameters.values, all.optimizer.exp_avg, all.optimizer.exp_avg_sq,
                                 all.optimizer.average, all.optimizer.saliency}) {
    const at::Tensor range = flat.narrow(0, 0, all.parameters.pruned);
    CATCH_CHECK(range.masked_select(pruned).view(at::kInt).eq(0).all().item<bool>());
    CATCH_CHECK(range.masked_select(pruned.logical_not()).ne(0).all().item<bool>());
  }
}

CATCH_TEST_CASE("a gradual mask prunes more and more, revives nothing and ends exactly 2:4") {
  for (const MaskScore score : {MaskScore::kWeightNorm, MaskScore::kMomentum}) {
    for (const Ties ties : {Ties::kLowestIndex, Ties::kTorch}) {
      Masked all(score, {1, {1, 4}, 2, 2, ties});
      at::Tensor before = all.parameters.mask.clone();
      for (const double sparsity : {0.0, 0.1, 0.3, 0.6, 0.9, 1.0}) {
        refresh_masks(all.parameters, all.optimizer, sparsity);
        CATCH_CHECK((all.parameters.mask <= before).all().item<bool>());
        const double zeros = check_masks(all.parameters);
        CATCH_CHECK(zeros >= sparsity / 2 - 0.03);
        if (sparsity == 0) CATCH_CHECK(zeros == 0);
        CATCH_CHECK(all.parameters.mask.view({-1, 4}).sum(1).ge(2).all().item<bool>());
        before = all.parameters.mask.clone();
        all.change_weights();
      }
      CATCH_CHECK(is_exactly_2_4(all.parameters.mask));
      CATCH_CHECK(check_masks(all.parameters) == 0.5);
      refresh_masks(all.parameters, all.optimizer, 1);
      CATCH_CHECK(at::equal(all.parameters.mask, before));
    }
  }
}

CATCH_TEST_CASE("the momentum score prunes what matters least, not what is smallest") {
  Masked all(MaskScore::kMomentum);
  const at::Tensor expected = expected_mask(all.optimizer.saliency.narrow(0, 0, 128).view({8, 16}), {});
  CATCH_REQUIRE_FALSE(at::equal(expected, expected_mask(all.parameters.at("first.weight").value, {})));
  refresh_masks(all.parameters, all.optimizer, 1);
  CATCH_CHECK(at::equal(all.mask_of("first.weight"), expected));
}

CATCH_TEST_CASE("a mask ends exactly 2:4 also where kept elements score 0, as pruned ones do") {
  for (const MaskScore score : {MaskScore::kWeightNorm, MaskScore::kMomentum}) {
    for (const Ties ties : {Ties::kLowestIndex, Ties::kTorch}) {
      Masked all(score, {1, {1, 4}, 2, 2, ties});
      refresh_masks(all.parameters, all.optimizer, 0.5);
      const at::Tensor before = all.parameters.mask.clone();
      all.parameters.values.narrow(0, 0, all.parameters.pruned).zero_();
      if (all.optimizer.saliency.defined()) all.optimizer.saliency.zero_();
      refresh_masks(all.parameters, all.optimizer, 1);
      CATCH_CHECK(is_exactly_2_4(all.parameters.mask));
      CATCH_CHECK((all.parameters.mask <= before).all().item<bool>());
    }
  }
}

CATCH_TEST_CASE("a revived element is found, and its layer named") {
  Masked all(MaskScore::kWeightNorm);
  refresh_masks(all.parameters, all.optimizer, 1);
  CATCH_CHECK(check_masks(all.parameters) == 0.5);
  const Parameter& second = all.parameters.at("second.weight");
  const int64_t pruned = second.offset + all.mask_of("second.weight").flatten().argmin().item<int64_t>();
  all.parameters.values[pruned] = 1e-30;
  CATCH_CHECK_THROWS_WITH(check_masks(all.parameters), Catch::Contains("second.weight"));
}

CATCH_TEST_CASE("without pruned layers there is nothing to mask") {
  const std::vector<PrunedWeight> none;
  Parameters parameters = make_parameters({{"weight", at::randn({4, 4})}}, none, at::kCPU);
  Optimizer optimizer = make_optimizer(parameters, {}, Precision::kFp32);
  const at::Tensor before = parameters.values.clone();
  refresh_masks(parameters, optimizer, 1);
  CATCH_CHECK(at::equal(parameters.values, before));
  CATCH_CHECK(check_masks(parameters) == 0);
}

}  // namespace prune2to4
