// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/packed_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "cuda/gpu.h"
#include "ops/packed_lengths.h"

namespace prune2to4 {
namespace {

constexpr int64_t kHeads = 3;
constexpr int64_t kWidth = 32;  // of a head

PackedSequences sequences_of(const Lengths& lengths, bool uniform, at::Device device) {
  PackedSequences sequences;
  sequences.longest = *std::max_element(lengths.begin(), lengths.end());
  sequences.boundaries = boundaries_of(lengths, device);
  sequences.uniform = uniform;
  return sequences;
}

void check(const Lengths& lengths, bool uniform, at::TensorOptions options, double tolerance) {
  const int64_t tokens = tokens_of(lengths);
  const at::Tensor qkv =
      at::randn({tokens, 3, kHeads, kWidth}).to(options.device(), options.dtype().toScalarType());
  const at::Tensor found = packed_attention(qkv, sequences_of(lengths, uniform, options.device()), 0);
  CATCH_REQUIRE(found.sizes() == at::IntArrayRef{tokens, kHeads * kWidth});
  const at::Tensor difference =
      found.to(at::kCPU, at::kDouble) - expected_attention(qkv.to(at::kCPU), lengths);
  CATCH_CHECK(difference.abs().max().item<double>() < tolerance);
}

}  // namespace

CATCH_TEST_CASE("each sequence attends to itself alone") {
  check({3, 1, 17, 64}, false, at::kFloat, 1e-5);
  check({16, 16, 16}, true, at::kFloat, 1e-5);
}

CATCH_TEST_CASE("in inference mode the CPU attends sequence by sequence, by any number of threads") {
  const c10::InferenceMode inference;
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    check({3, 1, 17, 64, 2, 40}, false, at::kFloat, 1e-5);
    check({3, 0, 130}, false, at::kFloat, 1e-5);
    check({16, 16, 16}, true, at::kFloat, 1e-5);
    check({5, 33, 12}, false, at::kBFloat16, 3e-2);
  }
  at::set_num_threads(before);
}

CATCH_TEST_CASE("on a GPU sequences of one length give the same attention as those of several") {
  if (!has_gpu()) return;
  for (const auto& [dtype, tolerance] : {std::pair{at::kHalf, 4e-3}, std::pair{at::kBFloat16, 3e-2}}) {
    const auto options = at::TensorOptions(kGpu).dtype(dtype);
    check({3, 1, 129, 384}, false, options, tolerance);
    for (const int64_t length : {1, 29, 128, 384}) {
      const std::vector<int64_t> lengths(7, length);
      check(lengths, true, options, tolerance);
      check(lengths, false, options, tolerance);
    }
  }
}

}  // namespace prune2to4
