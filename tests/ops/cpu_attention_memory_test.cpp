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
  Element element;
  std::vector<float> qkv;  // [tokens, 3, heads, width]
  Bytes stored_qkv;
  Bytes out;  // [tokens, heads, width]

  Sequence(Random& random, int64_t tokens_, int64_t heads_, int64_t width_, Element element_)
      : tokens(tokens_),
        heads(heads_),
        width(width_),
        element(element_),
        qkv(random.numbers(tokens * 3 * heads * width)),
        stored_qkv(stored(qkv, element)),
        out(stored(std::vector<float>(size(tokens * heads * width), NAN), element)) {}

  float at(int64_t token, int64_t part, int64_t head, int64_t column) const {
    return qkv[size(((token * 3 + part) * heads + head) * width + column)];
  }

  void run(const AttentionKernel& kernel) {
    const int64_t most = kernel.lanes * static_cast<int64_t>(kernel.vectors);
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t offset = head * width * (element == Element::kFloat ? 4 : 2);
      const Head one{stored_qkv.data() + offset,
                     out.data() + offset,
                     tokens,
                     width,
                     heads * width,
                     1 / std::sqrt(static_cast<float>(width))};
      for (int64_t first = 0; first < tokens; first += most) {
        std::vector<float> memory(size(kernel.floats(width, tokens)), NAN);
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
      const double error = std::abs(read(out, (query * heads + head) * width + i, element) - expected);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
    return worst;
  }
};

void check(const AttentionKernel& kernel, Element element) {
  Random random;
  for (int round = 0; round < 60; ++round) {
    const int64_t tokens = 1 + random.below(round % 4 == 0 ? 150 : 40);
    const auto step = static_cast<int64_t>(kernel.width_step);
    Sequence sequence(random, tokens, 1 + random.below(3), step * (1 + random.below(64 / step)), element);
    sequence.run(kernel);
    double worst = 0;
    for (int64_t head = 0; head < sequence.heads; ++head) {
      for (int64_t query = 0; query < tokens; ++query) worst = std::max(worst, sequence.worst(query, head));
    }
    CATCH_INFO(tokens << " tokens, " << sequence.heads << " heads of " << sequence.width);
    CATCH_REQUIRE(worst < (element == Element::kFloat ? 1e-5 : 0.02));
  }
}

}  // namespace

CATCH_TEST_CASE("the CPU's attention kernels touch nothing beyond what they are given, and are right") {
  for (const Level& level : levels()) {
    if (!level.runs) continue;
    CATCH_INFO(level.name);
    check(level.kernels().attention_float, Element::kFloat);
    if (level.kernels().attention_bfloat16.lanes > 0) {
      check(level.kernels().attention_bfloat16, Element::kBFloat16);
    }
  }
}

}  // namespace prune2to4::cpu
