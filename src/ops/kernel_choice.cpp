// SPDX-License-Identifier: Apache-2.0
#include "ops/kernel_choice.h"

#include <limits>
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

// All in turn, twice: the device's clocks fall under load, and a model runs on a device that is warm.
size_t measure(const std::vector<Candidate>& candidates) {
  for (const Candidate& candidate : candidates) candidate.milliseconds();
  size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < candidates.size(); ++i) {
    const std::optional<double> milliseconds = candidates[i].milliseconds();
    if (!milliseconds || *milliseconds >= least) continue;
    least = *milliseconds;
    best = i;
  }
  return best;
}

}  // namespace

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
    best = measure(candidates);
    if (cache != nullptr) cache->add(shape, candidates[*best].kernel);
  }
  const std::scoped_lock lock(choices().mutex);
  choices().fastest.emplace(shape, *best);
  return *best;
}

}  // namespace prune2to4
