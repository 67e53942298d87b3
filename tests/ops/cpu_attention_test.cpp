// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "ops/cpu/attend.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/kernels.h"
#include "ops/packed_lengths.h"
#include "ops/threads.h"
#include "prune2to4/sequence_attention.h"

namespace prune2to4 {
namespace {

void check(const cpu::Kernels& kernels, const Lengths& lengths, int64_t heads, int64_t width,
           at::ScalarType dtype = at::kFloat) {
  CATCH_INFO(kernels.name << ", " << heads << " heads of " << width << ", " << lengths.size()
                          << " sequences of " << tokens_of(lengths) << " tokens");
  const at::Tensor qkv = (1.5 * at::randn({tokens_of(lengths), 3, heads, width})).to(dtype);
  const at::Tensor boundaries = boundaries_of(lengths, at::kCPU);
  const auto attend = [&](const at::Tensor& from) {
    return *cpu::attend_sequences(kernels, from, boundaries);
  };
  const at::Tensor found = attend(qkv);
  CATCH_CHECK((found - expected_attention(qkv, lengths)).abs().max().item<double>() <
              (dtype == at::kFloat ? 1e-5 : 0.02));
  for (const int threads : {1, 2, 3, 7}) {
    const Threads use(threads);
    CATCH_CHECK(attend(qkv).equal(found));
  }
  CATCH_CHECK(attends_within(qkv, lengths, found, attend));
}

}  // namespace

CATCH_TEST_CASE("the CPU's attention is right within packed sequences, and only there") {
  at::manual_seed(23);
  std::mt19937 random(23);
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    check(*kernels, {1}, 1, 64);
    check(*kernels, {0, 0, 384}, 12, 32);
    Lengths lengths{0, 1, 3, 31, 33, 48, 49, 64, 65, 127, 200, 0};
    for (const int64_t width : {8, 40, 64}) {
      std::shuffle(lengths.begin(), lengths.end(), random);
      check(*kernels, lengths, 3, width);
    }
  }
}

CATCH_TEST_CASE("the CPU's attention in bf16 is right within packed sequences, and only there") {
  at::manual_seed(23);
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    if (kernels->attention_bfloat16.lanes == 0) continue;
    check(*kernels, {1}, 1, 64, at::kBFloat16);
    check(*kernels, {0, 0, 384}, 12, 32, at::kBFloat16);
    for (const int64_t width : {8, 38, 64, 80}) {
      check(*kernels, {17, 0, 1, 3, 31, 33, 48, 200, 49, 64, 65, 127, 0}, 3, width, at::kBFloat16);
    }
  }
}

CATCH_TEST_CASE("scores as large as they may be, and no numbers, come out of the CPU's attention") {
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      if (dtype == at::kBFloat16 && kernels->attention_bfloat16.lanes == 0) continue;
      CATCH_INFO(kernels->name << ", " << dtype);
      at::Tensor qkv = at::randn({100, 3, 2, 32});
      qkv.select(1, 0).mul_(1e18);
      qkv.select(1, 1).mul_(1e18);
      qkv = qkv.to(dtype);
      const at::Tensor boundaries = boundaries_of({100}, at::kCPU);
      const at::Tensor found = *cpu::attend_sequences(*kernels, qkv, boundaries);
      const double error = (found - expected_attention(qkv, {100})).abs().max().item<double>();
      CATCH_CHECK(error < (dtype == at::kFloat ? 1e-5 : 0.02));
      qkv[70][1][1][5] = std::numeric_limits<float>::quiet_NaN();  // a key of the second head
      const at::Tensor spoilt = *cpu::attend_sequences(*kernels, qkv, boundaries);
      CATCH_CHECK(spoilt.narrow(1, 0, 32).equal(found.narrow(1, 0, 32)));
      CATCH_CHECK(spoilt.narrow(1, 32, 32).isnan().all().item<bool>());
    }
  }
}

CATCH_TEST_CASE("on the CPU there is no attention kernel for other numbers or heads, or a gradient") {
  const at::Tensor boundaries = at::tensor({0, 4}, at::kInt);
  const at::Tensor qkv = at::randn({4, 3, 2, 64});
  CATCH_CHECK(sequence_attention(qkv, boundaries));
  CATCH_CHECK_FALSE(sequence_attention(qkv.to(at::kHalf), boundaries));
  CATCH_CHECK_FALSE(sequence_attention(at::randn({4, 3, 2, 63}), boundaries));
  CATCH_CHECK_FALSE(sequence_attention(qkv.requires_grad_(), boundaries));
}

}  // namespace prune2to4
