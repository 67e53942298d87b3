// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/matrix_stats.h"

#include <array>
#include <bit>
#include <cstddef>

#include "sparse/float_bits.h"

namespace prune2to4 {
namespace {

// Independent sums, so that one addition need not wait for the last.
constexpr int64_t kLanes = 16;

template <typename Float>
MatrixStats stats_of(const typename Float::Bits* data, int64_t count) {
  std::array<double, kLanes> squares{};
  std::array<int64_t, kLanes> zeros{};
  std::array<int64_t, kLanes> nonfinite{};
  const auto add = [&](size_t lane, typename Float::Bits bits) {
    const auto magnitude = static_cast<typename Float::Bits>(bits & Float::kMagnitude);
    const bool finite = magnitude < Float::kInfinity;
    const double value = finite ? static_cast<double>(Float::to_float(bits)) : 0.0;
    squares[lane] += value * value;
    zeros[lane] += magnitude == 0;
    nonfinite[lane] += !finite;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) add(lane, data[i + static_cast<int64_t>(lane)]);
  }
  for (; i < count; ++i) add(0, data[i]);

  MatrixStats stats;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    stats.zeros += zeros[lane];
    stats.nonfinite += nonfinite[lane];
    stats.squared_norm += squares[lane];
  }
  return stats;
}

}  // namespace

MatrixStats matrix_stats(const ConstMatrix& matrix) {
  const int64_t count = matrix.rows * matrix.cols;
  switch (matrix.type) {
    case FloatType::kFloat32:
      return stats_of<Float32>(static_cast<const uint32_t*>(matrix.data), count);
    case FloatType::kFloat16:
      return stats_of<Float16>(static_cast<const uint16_t*>(matrix.data), count);
    case FloatType::kBFloat16:
      return stats_of<BFloat16>(static_cast<const uint16_t*>(matrix.data), count);
  }
  return {};
}

}  // namespace prune2to4
