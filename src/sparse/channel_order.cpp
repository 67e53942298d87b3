// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/channel_order.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "sparse/float_bits.h"

namespace prune2to4 {
namespace {

constexpr size_t kGroup = 4;
constexpr size_t kPair = 2 * kGroup;  // columns of two groups
constexpr int kRounds = 400;
constexpr int kIdleRounds = 50;      // without a gain: then the search is at its end
constexpr double kLeastGain = 1e-6;  // relative: less may be rounding
constexpr size_t kLanes = 32;        // rows at a time; columns are padded to a multiple
constexpr size_t kColumnPairs = 28;  // of eight columns
constexpr size_t kSubsets = 70;      // four of eight columns
constexpr size_t kSplits = kSubsets / 2;

// A subset i < j < k < l is the pairs of columns (i, j) and (k, l).
struct Subset {
  std::array<size_t, kGroup> columns{};
  size_t first = 0;
  size_t second = 0;
};

struct Combinations {
  std::array<std::array<size_t, 2>, kColumnPairs> pairs{};
  std::array<Subset, kSubsets> subsets{};
};

// Both in lexical order: the complement of subset s is subset kSubsets - 1 - s, and subset 0 is 0, 1, 2, 3.
constexpr Combinations combinations() {
  Combinations result;
  std::array<std::array<size_t, kPair>, kPair> pair_of{};
  size_t pairs = 0;
  for (size_t i = 0; i < kPair; ++i) {
    for (size_t j = i + 1; j < kPair; ++j) {
      pair_of[i][j] = pairs;
      result.pairs[pairs++] = {i, j};
    }
  }
  size_t subsets = 0;
  for (size_t i = 0; i < kPair; ++i) {
    for (size_t j = i + 1; j < kPair; ++j) {
      for (size_t k = j + 1; k < kPair; ++k) {
        for (size_t l = k + 1; l < kPair; ++l) {
          result.subsets[subsets++] = {{i, j, k, l}, pair_of[i][j], pair_of[k][l]};
        }
      }
    }
  }
  return result;
}
constexpr Combinations kCombinations = combinations();

// Columns of squares, each contiguous and padded with zeros.
class Squares {
 public:
  explicit Squares(const ConstMatrix& weight)
      : rows_((static_cast<size_t>(weight.rows) + kLanes - 1) / kLanes * kLanes),
        values_(rows_ * static_cast<size_t>(weight.cols)) {
    switch (weight.type) {
      case FloatType::kFloat32:
        fill<Float32>(weight);
        break;
      case FloatType::kFloat16:
        fill<Float16>(weight);
        break;
      case FloatType::kBFloat16:
        fill<BFloat16>(weight);
        break;
    }
  }

  size_t rows() const { return rows_; }
  const float* column(int64_t index) const { return values_.data() + static_cast<size_t>(index) * rows_; }

 private:
  template <typename Float>
  void fill(const ConstMatrix& weight) {
    const auto* data = static_cast<const typename Float::Bits*>(weight.data);
    const auto cols = static_cast<size_t>(weight.cols);
    for (size_t row = 0; row < static_cast<size_t>(weight.rows); ++row) {
      for (size_t col = 0; col < cols; ++col) {
        const float value = Float::to_float(data[row * cols + col]);
        values_[col * rows_ + row] = value * value;
      }
    }
  }

  size_t rows_;
  std::vector<float> values_;
};

using Lanes = std::array<float, kLanes>;

// What each four of eight columns would keep as a group. The two largest of four are the larger of one pair
// and the larger of the other, or both of a pair. The order of additions is fixed, whatever the vectors.
std::array<double, kSubsets> kept_by_subset(const std::array<const float*, kPair>& columns, size_t rows) {
  alignas(64) std::array<Lanes, kSubsets> sums{};
  for (size_t row = 0; row < rows; row += kLanes) {
    alignas(64) std::array<Lanes, kColumnPairs> larger;
    alignas(64) std::array<Lanes, kColumnPairs> both;
    for (size_t pair = 0; pair < kColumnPairs; ++pair) {
      const float* a = columns[kCombinations.pairs[pair][0]] + row;
      const float* b = columns[kCombinations.pairs[pair][1]] + row;
      for (size_t lane = 0; lane < kLanes; ++lane) {
        larger[pair][lane] = a[lane] < b[lane] ? b[lane] : a[lane];
        both[pair][lane] = a[lane] + b[lane];
      }
    }
    for (size_t subset = 0; subset < kSubsets; ++subset) {
      const size_t first = kCombinations.subsets[subset].first;
      const size_t second = kCombinations.subsets[subset].second;
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float one_pair =
            both[first][lane] < both[second][lane] ? both[second][lane] : both[first][lane];
        const float one_each = larger[first][lane] + larger[second][lane];
        sums[subset][lane] += one_each < one_pair ? one_pair : one_each;
      }
    }
  }
  std::array<double, kSubsets> kept;
  for (size_t subset = 0; subset < kSubsets; ++subset) {
    kept[subset] = std::accumulate(sums[subset].begin(), sums[subset].end(), 0.0);
  }
  return kept;
}

class Search {
 public:
  Search(const ConstMatrix& weight, int64_t span)
      : squares_(weight), span_(static_cast<size_t>(span)), order_(static_cast<size_t>(weight.cols)) {
    std::iota(order_.begin(), order_.end(), int64_t{0});
  }

  ChannelOrder run() {
    ChannelOrder result{order_, kept(), 0};
    for (int round = 0, idle = 0; round < kRounds && idle < kIdleRounds; ++round) {
      idle = improve_pairs() ? 0 : idle + 1;
    }
    result.kept_after = kept();
    if (result.kept_after > result.kept_before) {
      result.order = order_;
    } else {
      result.kept_after = result.kept_before;
    }
    return result;
  }

 private:
  // Each group with another one of its span; a last odd one waits for the next round.
  bool improve_pairs() {
    bool improved = false;
    std::vector<size_t> groups(span_ / kGroup);
    for (size_t start = 0; start < order_.size(); start += span_) {
      std::iota(groups.begin(), groups.end(), start / kGroup);
      // Not std::shuffle, which differs between standard libraries.
      for (size_t i = groups.size(); i > 1; --i) std::swap(groups[i - 1], groups[random_() % i]);
      for (size_t i = 0; i + 1 < groups.size(); i += 2) improved |= improve(groups[i], groups[i + 1]);
    }
    return improved;
  }

  bool improve(size_t first, size_t second) {
    std::array<int64_t, kPair> eight;
    std::array<const float*, kPair> columns;
    for (size_t i = 0; i < kPair; ++i) {
      eight[i] = order_[(i < kGroup ? first : second) * kGroup + i % kGroup];
      columns[i] = squares_.column(eight[i]);
    }
    const auto kept = kept_by_subset(columns, squares_.rows());
    const auto kept_by_split = [&](size_t split) { return kept[split] + kept[kSubsets - 1 - split]; };
    size_t best = 0;
    for (size_t split = 1; split < kSplits; ++split) {
      if (kept_by_split(split) > kept_by_split(best)) best = split;
    }
    if (!(kept_by_split(best) > kept_by_split(0) * (1 + kLeastGain))) return false;
    for (size_t i = 0; i < kGroup; ++i) {
      order_[first * kGroup + i] = eight[kCombinations.subsets[best].columns[i]];
      order_[second * kGroup + i] = eight[kCombinations.subsets[kSubsets - 1 - best].columns[i]];
    }
    return true;
  }

  double kept() const {
    double sum = 0;
    for (size_t start = 0; start < order_.size(); start += kGroup) {
      for (size_t row = 0; row < squares_.rows(); ++row) {
        std::array<float, kGroup> four;
        for (size_t i = 0; i < kGroup; ++i) four[i] = squares_.column(order_[start + i])[row];
        const auto [low, high] = std::minmax(four[0], four[1]);
        const auto [other_low, other_high] = std::minmax(four[2], four[3]);
        const double largest = std::max(high, other_high);
        sum += largest + std::max(std::min(high, other_high), std::max(low, other_low));
      }
    }
    return sum;
  }

  Squares squares_;
  size_t span_;
  std::vector<int64_t> order_;
  std::mt19937_64 random_;  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same on every run
};

}  // namespace

ChannelOrder order_channels(const ConstMatrix& weight, int64_t span) {
  if (span <= 0 || span % static_cast<int64_t>(kGroup) != 0 || weight.cols % span != 0) {
    throw std::invalid_argument("a span of " + std::to_string(span) + " columns for a weight of " +
                                std::to_string(weight.cols) +
                                "; it must be a multiple of 4 that divides them");
  }
  return Search(weight, span).run();
}

}  // namespace prune2to4
