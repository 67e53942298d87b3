// SPDX-License-Identifier: Apache-2.0
#include "ops/kernel_choice.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

#include "ops/kernel_cache.h"

namespace prune2to4 {
namespace {

struct Choices {
  std::mutex measuring;  // is taken before the other
  std::mutex mutex;      // of `fastest`
  std::map<ProductShape, size_t> fastest;
};

Choices& choices() {
  static Choices all;
  return all;
}

std::optional<size_t> named_in(const KernelCache& cache, const ProductShape& shape,
                               const std::vector<Candidate>& candidates) {
  const auto name = cache.find(shape);
  for (size_t i = 0; name && i < candidates.size(); ++i) {
    if (candidates[i].kernel == *name) return i;
  }
  return std::nullopt;
}

using Times = std::vector<std::optional<double>>;

// A GPU's clocks fall within some 50 ms of load.
constexpr std::chrono::milliseconds kLoad{150};
constexpr size_t kLeastRounds = 2;
constexpr size_t kMostRounds = 40;

// The middle one of the later half.
std::optional<double> settled(std::vector<double> rounds) {
  if (rounds.empty()) return std::nullopt;
  const auto count = static_cast<std::ptrdiff_t>(rounds.size());
  const auto middle = rounds.begin() + (count / 2 + count) / 2;
  std::nth_element(rounds.begin() + count / 2, middle, rounds.end());
  return *middle;
}

// 0 where none could run.
size_t least(const Times& times) {
  size_t best = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    if (times[i] && (!times[best] || *times[i] < *times[best])) best = i;
  }
  return best;
}

}  // namespace

Times times_under_load(const std::vector<Candidate>& candidates) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> rounds(candidates.size());
  const Clock::time_point end = Clock::now() + kLoad;
  for (size_t round = 0; round < kLeastRounds || (round < kMostRounds && Clock::now() < end); ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (const auto milliseconds = candidates[i].milliseconds()) rounds[i].push_back(*milliseconds);
    }
  }
  Times times;
  for (std::vector<double>& each : rounds) times.push_back(settled(std::move(each)));
  return times;
}

std::optional<size_t> known_fastest(const ProductShape& shape) {
  const std::scoped_lock lock(choices().mutex);
  const auto found = choices().fastest.find(shape);
  return found == choices().fastest.end() ? std::nullopt : std::optional(found->second);
}

size_t fastest(const ProductShape& shape, const std::vector<Candidate>& candidates, KernelCache* cache) {
  const std::scoped_lock one_at_a_time(choices().measuring);
  if (const auto known = known_fastest(shape)) return *known;
  std::optional<size_t> best = cache == nullptr ? std::nullopt : named_in(*cache, shape, candidates);
  if (!best) {
    best = least(times_under_load(candidates));
    if (cache != nullptr) cache->add(shape, candidates[*best].kernel);
  }
  const std::scoped_lock lock(choices().mutex);
  choices().fastest.emplace(shape, *best);
  return *best;
}

}  // namespace prune2to4
