// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

namespace prune2to4 {

using Lengths = std::vector<int64_t>;  // of packed sequences

inline at::Tensor boundaries_of(const Lengths& lengths, at::Device device) {
  std::vector<int32_t> boundaries{0};
  for (const int64_t each : lengths) boundaries.push_back(boundaries.back() + static_cast<int32_t>(each));
  return at::tensor(boundaries, at::kInt).to(device);
}

inline int64_t tokens_of(const Lengths& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
}

// softmax(q k^T / sqrt(D)) v of each sequence by itself, in fp64.
inline at::Tensor expected_attention(const at::Tensor& qkv, const Lengths& lengths) {
  std::vector<at::Tensor> parts;
  int64_t first = 0;
  for (const int64_t length : lengths) {
    const at::Tensor heads = qkv.narrow(0, first, length).to(at::kDouble).permute({1, 2, 0, 3});
    const at::Tensor scores =
        at::matmul(heads[0], heads[1].transpose(1, 2)) / std::sqrt(static_cast<double>(qkv.size(3)));
    parts.push_back(at::matmul(scores.softmax(-1), heads[2])
                        .transpose(0, 1)
                        .reshape({length, qkv.size(2) * qkv.size(3)}));
    first += length;
  }
  return at::cat(parts);
}

// Whether the result `found` of every second sequence stays when the others are NaN.
inline bool attends_within(const at::Tensor& qkv, const Lengths& lengths, const at::Tensor& found,
                           const std::function<at::Tensor(const at::Tensor&)>& attend) {
  const at::Tensor spoilt = qkv.clone();
  int64_t first = 0;
  for (size_t i = 0; i < lengths.size(); first += lengths[i++]) {
    if (i % 2 == 0) spoilt.narrow(0, first, lengths[i]).fill_(std::numeric_limits<double>::quiet_NaN());
  }
  const at::Tensor again = attend(spoilt);
  first = 0;
  bool same = true;
  for (size_t i = 0; i < lengths.size(); first += lengths[i++]) {
    if (i % 2 == 1) same &= again.narrow(0, first, lengths[i]).equal(found.narrow(0, first, lengths[i]));
  }
  return same;
}

}  // namespace prune2to4
