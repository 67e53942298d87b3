// SPDX-License-Identifier: Apache-2.0
// The CPU's attention kernels, each by itself, in memory of just the size that they are promised:
// AddressSanitizer sees what they touch beyond it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/levels.h"
#include "ops/stored_numbers.h"

namespace prune2to4::cpu {
namespace {

struct Sequence {
  int64_t tokens;
  int64_t heads;
  int64_t width;
  std::vector<float> qkv;  // [tokens, 3, heads, width]
  std::vector<float> out;  // [tokens, heads, width]

  Sequence(Random& random, int64_t tokens_, int64_t heads_, int64_t width_)
      : tokens(tokens_),
        heads(heads_),
        width(width_),
        qkv(random.numbers(tokens * 3 * heads * width)),
        out(size(tokens * heads * width), NAN) {}

  float at(int64_t token, int64_t part, int64_t head, int64_t column) const {
    return qkv[size(((token * 3 + part) * heads + head) * width + column)];
  }

  void run(const AttentionKernel& kernel) {
    const int64_t most = kernel.lanes * static_cast<int64_t>(kernel.vectors);
    for (int64_t head = 0; head < heads; ++head) {
      const Head one{qkv.data() + head * width,
                     out.data() + head * width,
                     tokens,
                     width,
                     heads * width,
                     1 / std::sqrt(static_cast<float>(width))};
      for (int64_t first = 0; first < tokens; first += most) {
        std::vector<float> memory(size(kernel.floats(width)), NAN);
        kernel.attend(one, first, std::min(first + most, tokens), memory.data());
      }
    }
  }

  double worst(int64_t query, int64_t head) const {
    std::vector<double> weights;
    double all = 0;
    for (int64_t key = 0; key < tokens; ++key) {
      double score = 0;
      for (int64_t i = 0; i < width; ++i) score += at(query, 0, head, i) * at(key, 1, head, i);
      weights.push_back(std::exp(score / std::sqrt(static_cast<double>(width))));
      all += weights.back();
    }
    double worst = 0;
    for (int64_t i = 0; i < width; ++i) {
      double expected = 0;
      for (int64_t key = 0; key < tokens; ++key) expected += weights[size(key)] * at(key, 2, head, i) / all;
      const double error = std::abs(out[size((query * heads + head) * width + i)] - expected);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
    return worst;
  }
};

}  // namespace

CATCH_TEST_CASE("the CPU's attention kernels touch nothing beyond what they are given, and are right") {
  for (const Level& level : levels()) {
    if (!level.runs) continue;
    const AttentionKernel& kernel = level.kernels().attention;
    Random random;
    for (int round = 0; round < 60; ++round) {
      const int64_t tokens = 1 + random.below(round % 4 == 0 ? 150 : 40);
      const auto step = static_cast<int64_t>(kernel.width_step);
      Sequence sequence(random, tokens, 1 + random.below(3), step * (1 + random.below(64 / step)));
      sequence.run(kernel);
      double worst = 0;
      for (int64_t head = 0; head < sequence.heads; ++head) {
        for (int64_t query = 0; query < tokens; ++query) {
          worst = std::max(worst, sequence.worst(query, head));
        }
      }
      CATCH_INFO(level.name << ", " << tokens << " tokens, " << sequence.heads << " heads of "
                            << sequence.width);
      CATCH_REQUIRE(worst < 1e-5);
    }
  }
}

}  // namespace prune2to4::cpu
