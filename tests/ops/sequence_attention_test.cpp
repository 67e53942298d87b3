// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/sequence_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "cuda/gpu.h"
#include "ops/packed_lengths.h"
#include "ops/sparse_gemm.h"

namespace prune2to4 {
namespace {

at::Tensor random_qkv(int64_t tokens, int64_t heads, int64_t width, at::ScalarType dtype) {
  return (1.5 * at::randn({tokens, 3, heads, width}, at::TensorOptions(kGpu))).to(dtype);
}

// Of error_of: rounding of the probabilities and of the result.
double tolerance(at::ScalarType dtype) { return dtype == at::kHalf ? 4e-3 : 3e-2; }

bool has_kernel() {
  if (!has_gpu()) return false;
  const bool there =
      sequence_attention(random_qkv(1, 1, 64, at::kHalf), boundaries_of({1}, kGpu)).has_value();
  if (!there) CATCH_WARN("no attention kernel for this GPU in this build: not tested");
  return there;
}

void check(const Lengths& lengths, int64_t heads, int64_t width, at::ScalarType dtype) {
  const at::Tensor qkv = random_qkv(tokens_of(lengths), heads, width, dtype);
  const at::Tensor boundaries = boundaries_of(lengths, kGpu);
  const at::Tensor expected = expected_attention(qkv, lengths);
  for (const int64_t length : {0, 384}) {  // each for a kernel of its own, which takes any lengths
    CATCH_INFO(heads << " heads of " << width << ", " << dtype << ", " << lengths.size() << " sequences of "
                     << tokens_of(lengths) << " tokens, by the kernel for length " << length);
    const auto attend = [&](const at::Tensor& from) { return sequence_attention(from, boundaries, length); };
    const auto found = attend(qkv);
    CATCH_REQUIRE(found.has_value());
    CATCH_CHECK(error_of(*found, expected, tolerance(dtype)) < 1);
    CATCH_CHECK(attends_within(qkv, lengths, *found, [&](const at::Tensor& from) { return *attend(from); }));
  }
}

}  // namespace

CATCH_TEST_CASE("the attention kernel is right within packed sequences, and only there", "[sanitized]") {
  if (!has_kernel()) return;
  at::manual_seed(23);
  std::mt19937 random(23);
  Lengths lengths{0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 384, 512, 1000, 0};
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    for (const int64_t width : {32, 64}) {
      check({1}, 1, width, dtype);
      check({0, 0, 384}, 12, width, dtype);
      check(Lengths(7, 384), 3, width, dtype);
      for (const int64_t heads : {1, 3, 12}) {
        std::shuffle(lengths.begin(), lengths.end(), random);
        check(lengths, heads, width, dtype);
      }
      check(Lengths(300, 40), 2, width, dtype);
    }
  }
}

CATCH_TEST_CASE("a captured attention takes other boundaries when it is replayed") {
  if (!has_kernel()) return;
  at::manual_seed(29);
  const Lengths before{200, 0, 300, 12};
  const Lengths after{1, 311, 64, 136};
  const at::Tensor qkv = random_qkv(512, 12, 64, at::kHalf);
  const at::Tensor boundaries = boundaries_of(before, kGpu);
  at::Tensor found;
  const auto work = cuda_backend().capture(kGpu, [&] { found = *sequence_attention(qkv, boundaries); });
  for (const Lengths& lengths : {before, after}) {
    boundaries.copy_(boundaries_of(lengths, kGpu));
    work->replay();
    cuda_backend().synchronize(kGpu);
    CATCH_CHECK(error_of(found, expected_attention(qkv, lengths), tolerance(at::kHalf)) < 1);
  }
}

CATCH_TEST_CASE("on a GPU there is no attention kernel for other numbers or heads, or a gradient") {
  if (!has_kernel()) return;
  const at::Tensor there = boundaries_of({4}, kGpu);
  CATCH_CHECK_FALSE(sequence_attention(at::randn({4, 3, 2, 64}).to(kGpu), there));
  CATCH_CHECK_FALSE(sequence_attention(random_qkv(4, 2, 40, at::kHalf), there));
  CATCH_CHECK_FALSE(sequence_attention(random_qkv(4, 2, 64, at::kHalf).requires_grad_(), there));
}

CATCH_TEST_CASE("how fast attention is", "[.bench]") {
  if (!has_kernel()) return;
  std::string reason;
  GemmBackend* timer = gemm_backend(reason);
  std::printf("%s, fp16, 12 heads of 64, ms\n", cuda_backend().device_name(kGpu).c_str());
  std::mt19937 random(31);
  Lengths mixed(64);
  for (int64_t& each : mixed) each = 90 + static_cast<int64_t>(random() % 171);
  mixed.front() = 384;
  for (const Lengths& lengths : {mixed, Lengths(8, 384), Lengths(64, 384)}) {
    const bool uniform = std::all_of(lengths.begin(), lengths.end(), [](int64_t n) { return n == 384; });
    const at::Tensor qkv = random_qkv(tokens_of(lengths), 12, 64, at::kHalf);
    const at::Tensor boundaries = boundaries_of(lengths, kGpu);
    const std::vector<at::Tensor> parts = qkv.unbind(1);
    for (int pair = 0; pair < 3; ++pair) {
      const double ours =
          timer->milliseconds([&] { sequence_attention(qkv, boundaries, uniform ? 384 : 0); });
      const double flash = timer->milliseconds([&] {
        at::_flash_attention_forward(parts[0], parts[1], parts[2], boundaries, boundaries, 384, 384, 0, false,
                                     false);
      });
      std::printf("%3zu sequences, %5ld tokens: %.4f, flash %.4f (%.2f)", lengths.size(),
                  static_cast<long>(qkv.size(0)), ours, flash, flash / ours);
      if (uniform) {
        const at::Tensor heads = qkv.view({-1, 384, 3, 12, 64}).permute({2, 0, 3, 1, 4});
        const double cudnn = timer->milliseconds(
            [&] { at::scaled_dot_product_attention(heads[0], heads[1], heads[2], std::nullopt, 0); });
        std::printf(", scaled_dot_product_attention %.4f (%.2f)", cudnn, cudnn / ours);
      }
      std::printf("\n");
    }
  }
}

}  // namespace prune2to4
