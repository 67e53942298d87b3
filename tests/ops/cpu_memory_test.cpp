// SPDX-License-Identifier: Apache-2.0
// The CPU's 2:4 kernels, each by itself, in memory of just the size that they are promised: AddressSanitizer
// sees what they touch beyond it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/levels.h"
#include "ops/cpu/weight_layout.h"
#include "ops/stored_numbers.h"

namespace prune2to4::cpu {
namespace {

struct Problem {
  int64_t tokens;
  int64_t rows;
  int64_t groups;
  Element element;
  bool gelu;
  std::vector<float> x, weight, bias, residual;  // the last two may be empty
  Bytes stored_x, stored_residual, out;

  Problem(Random& random, int64_t tokens_, int64_t rows_, int64_t groups_, Element element_)
      : tokens(tokens_),
        rows(rows_),
        groups(groups_),
        element(element_),
        gelu(random.below(2) == 0),
        x(random.numbers(tokens * groups * 4)),
        weight(random.numbers(rows * groups * 4)),
        bias(random.numbers(rows * random.below(2))),
        residual(random.numbers(tokens * rows * random.below(2))),
        stored_x(stored(x, element)),
        stored_residual(stored(residual, element)),
        out(stored(std::vector<float>(size(tokens * rows), NAN), element)) {
    for (size_t group = 0; group < weight.size(); group += 4) {
      const auto dropped = size(random.below(4));
      weight[group + dropped] = 0;
      weight[group + (dropped + 1 + size(random.below(3))) % 4] = 0;
    }
  }

  Output output() {
    return {bias.empty() ? nullptr : bias.data(), gelu,
            residual.empty() ? nullptr : static_cast<const void*>(stored_residual.data()), out.data(),
            element};
  }

  double expected(int64_t token, int64_t row) const {
    double sum = bias.empty() ? 0 : bias[size(row)];
    for (int64_t i = 0; i < 4 * groups; ++i) {
      sum += x[size(token * 4 * groups + i)] * weight[size(row * 4 * groups + i)];
    }
    if (gelu) sum *= std::erfc(-sum / std::sqrt(2.0)) / 2;
    return residual.empty() ? sum : sum + residual[size(token * rows + row)];
  }

  void check() const {
    double worst = 0;
    for (int64_t token = 0; token < tokens; ++token) {
      for (int64_t row = 0; row < rows; ++row) {
        const double wanted = expected(token, row);
        const double error =
            std::abs(read(out, token * rows + row, element) - wanted) / std::max(1.0, std::abs(wanted));
        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      }
    }
    CATCH_INFO(tokens << " tokens, " << rows << " x " << 4 * groups);
    CATCH_REQUIRE(worst < (element == Element::kFloat ? 1e-6 : 5e-3));
  }
};

int64_t lanes_of_layout(const Kernels& kernels) { return kernels.rows.lanes > 0 ? kernels.rows.lanes : 8; }

// As threads would that share out the rows.
void run_tiled(const TiledKernel& kernel, Problem& problem, int64_t layout_lanes) {
  const RowsLayout rows(problem.weight.data(), problem.rows, problem.groups, layout_lanes);
  const TiledLayout layout(rows, kernel);
  const int64_t stride = kernel.lanes * static_cast<int64_t>(kernel.vectors);
  const int64_t groups = (problem.groups + kernel.group_step - 1) / kernel.group_step * kernel.group_step;
  std::vector<float> tile(size(groups * kernel.group_values * stride), NAN);
  std::vector<float> sums(size(kTiledRows * stride), NAN);
  kernel.pack(problem.stored_x.data(), problem.element, problem.tokens, problem.groups, tile.data());
  const bool whole = problem.tokens % 2 == 0;
  const int64_t step = whole ? problem.rows : kernel.row_step;
  for (int64_t row = 0; row < problem.rows; row += step) {
    kernel.multiply(layout.view(), tile.data(), problem.tokens, row, std::min(row + step, problem.rows),
                    problem.output(), sums.data());
  }
  problem.check();
}

// The same of inputs that the kernel packs itself.
void run_unpacked(const TiledKernel& kernel, Problem& problem, int64_t layout_lanes) {
  const RowsLayout rows(problem.weight.data(), problem.rows, problem.groups, layout_lanes);
  const TiledLayout layout(rows, kernel);
  const int64_t stride = kernel.lanes * static_cast<int64_t>(kernel.vectors);
  std::vector<float> block(size(kernel.groups * kernel.group_values * stride), NAN);
  std::vector<float> sums(size(kTiledRows * stride), NAN);
  kernel.multiply_unpacked(layout.view(), problem.stored_x.data(), problem.tokens, 0, problem.rows,
                           problem.output(), block.data(), sums.data());
  problem.check();
}

// The same from tile to tile, and back to rows.
void run_tile(const TiledKernel& kernel, Problem& problem, int64_t layout_lanes) {
  const RowsLayout rows(problem.weight.data(), problem.rows, problem.groups, layout_lanes);
  const TiledLayout layout(rows, kernel);
  const int64_t stride = kernel.lanes * static_cast<int64_t>(kernel.vectors);
  std::vector<float> tile(size(problem.groups * 4 * stride), NAN);
  std::vector<float> sums(size(problem.rows * stride), NAN);
  kernel.pack(problem.stored_x.data(), problem.element, problem.tokens, problem.groups, tile.data());
  const Output output = problem.output();
  kernel.multiply_tile(layout.view(), tile.data(), problem.tokens, output.bias, output.gelu, sums.data());
  kernel.unpack(sums.data(), problem.tokens, problem.rows, output);
  problem.check();
}

// Of numbers far from zero, whose squares' sum says little of their variance.
void run_norm(const TiledKernel& kernel, Random& random) {
  const int64_t stride = kernel.lanes * static_cast<int64_t>(kernel.vectors);
  const int64_t tokens = 1 + random.below(stride);
  const int64_t features = 2 + random.below(60);
  std::vector<float> tile = random.numbers(features * stride);
  std::vector<float> added = random.numbers(features * stride);
  for (float& each : added) each += 1000;
  const std::vector<float> weight = random.numbers(features);
  const std::vector<float> bias = random.numbers(features);
  constexpr float kEpsilon = 0.01F;
  std::vector<double> expected;
  for (int64_t token = 0; token < tokens; ++token) {
    const auto value = [&](int64_t feature) -> double {
      return tile[size(feature * stride + token)] + added[size(feature * stride + token)];
    };
    double mean = 0;
    double variance = 0;
    for (int64_t i = 0; i < features; ++i) mean += value(i) / static_cast<double>(features);
    for (int64_t i = 0; i < features; ++i) {
      variance += (value(i) - mean) * (value(i) - mean) / static_cast<double>(features);
    }
    for (int64_t i = 0; i < features; ++i) {
      expected.push_back((value(i) - mean) / std::sqrt(variance + kEpsilon) * weight[size(i)] +
                         bias[size(i)]);
    }
  }
  kernel.add_norm({weight.data(), bias.data(), kEpsilon}, tokens, features, added.data(), tile.data());
  double worst = 0;
  for (int64_t token = 0; token < tokens; ++token) {
    for (int64_t i = 0; i < features; ++i) {
      const double error = std::abs(tile[size(i * stride + token)] - expected[size(token * features + i)]);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
  }
  CATCH_INFO("norm of " << tokens << " tokens, " << features << " features");
  CATCH_REQUIRE(worst < 2e-3);  // a unit in the last place of 1,000 is 6e-5
}

void run_rows(const RowsKernel& kernel, Problem& problem) {
  const RowsLayout layout(problem.weight.data(), problem.rows, problem.groups, kernel.lanes);
  const int64_t vectors = (problem.rows + kernel.lanes - 1) / kernel.lanes;
  const int64_t middle = vectors / 2;
  kernel.multiply(layout.view(), problem.x.data(), problem.tokens, 0, middle, problem.output());
  kernel.multiply(layout.view(), problem.x.data(), problem.tokens, middle, vectors, problem.output());
  problem.check();
}

Problem random_problem(Random& random, const TiledKernel& kernel, Element element, int round) {
  const bool chunks = kernel.form == WeightForm::kMasks;
  if (round == 5 && chunks) return {random, 18, 33, 2400, element};
  if (round == 6 && chunks) return {random, 379, 72, 301, element};
  const int64_t most = kernel.lanes * static_cast<int64_t>(kernel.vectors);
  const int64_t rows = round % 16 == 0 ? kTiledRows + 1 + random.below(40) : 1 + random.below(70);
  const int64_t groups = 1 + random.below(round % 8 == 1 ? 7 * kernel.groups : 20);
  return {random, 1 + random.below(most), rows, groups, element};
}

}  // namespace

CATCH_TEST_CASE("the CPU's 2:4 kernels touch nothing beyond what they are given, and multiply right") {
  constexpr int kRounds = 150;
  for (const Level& level : levels()) {
    if (!level.runs) continue;
    const Kernels& kernels = level.kernels();
    CATCH_INFO(kernels.name);
    Random random;
    for (int round = 0; round < kRounds; ++round) {
      for (const Element element : {Element::kFloat, Element::kBFloat16}) {
        Problem problem = random_problem(random, kernels.tiled_float, element, round);
        run_tiled(kernels.tiled_float, problem, lanes_of_layout(kernels));
        run_tile(kernels.tiled_float, problem, lanes_of_layout(kernels));
        run_norm(kernels.tiled_float, random);
        if (kernels.coded.lanes > 0) {
          Problem coded = random_problem(random, kernels.coded, element, round);
          run_tiled(kernels.coded, coded, lanes_of_layout(kernels));
          Problem unpacked = random_problem(random, kernels.coded, element, round);
          run_unpacked(kernels.coded, unpacked, lanes_of_layout(kernels));
        }
        if (kernels.rows.lanes > 0) run_rows(kernels.rows, problem);
      }
      if (kernels.tiled_bfloat16.lanes == 0) continue;
      Problem problem = random_problem(random, kernels.tiled_bfloat16, Element::kBFloat16, round);
      run_tiled(kernels.tiled_bfloat16, problem, lanes_of_layout(kernels));
    }
  }
}

}  // namespace prune2to4::cpu
