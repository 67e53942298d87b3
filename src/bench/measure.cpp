// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "prune2to4/interrupt.h"

namespace prune2to4 {
namespace {

constexpr int64_t kWarmUpCalls = 3;
constexpr int64_t kMostCalls = 1000;  // of a repeat

// Seconds of `count` calls and the wait for them.
double time_calls(const Contest& contest, size_t contestant, int64_t count) {
  throw_if_interrupted();
  const double start = contest.now();
  for (int64_t i = 0; i < count; ++i) contest.calls[contestant]();
  contest.wait();
  return contest.now() - start;
}

// Seconds of one call, the fastest that was seen: what compiles or allocates at first does not count.
double warm_up(const Contest& contest, size_t contestant, double seconds) {
  double fastest = std::numeric_limits<double>::infinity();
  const double start = contest.now();
  for (int64_t calls = 0; calls < kWarmUpCalls || contest.now() - start < seconds; ++calls) {
    fastest = std::min(fastest, time_calls(contest, contestant, 1));
  }
  return fastest;
}

int64_t calls_of_repeat(double call_seconds, double repeat_seconds) {
  if (repeat_seconds <= call_seconds) return 1;
  if (repeat_seconds >= call_seconds * kMostCalls) return kMostCalls;
  return static_cast<int64_t>(std::ceil(repeat_seconds / call_seconds));
}

}  // namespace

Measurement measure(const Contest& contest, const MeasureOptions& options) {
  const size_t count = contest.calls.size();
  double fastest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < count; ++i) {
    fastest = std::min(fastest, warm_up(contest, i, options.warm_up_seconds));
  }
  Measurement result{calls_of_repeat(fastest, options.seconds_per_repeat), {}};
  result.seconds.resize(count);
  std::vector<double> measured(count, 0);
  const auto enough = [&](int64_t rounds) {
    return rounds >= options.repeats && std::all_of(measured.begin(), measured.end(), [&](double seconds) {
             return seconds >= options.min_seconds;
           });
  };
  for (int64_t round = 0; !enough(round); ++round) {
    for (size_t turn = 0; turn < count; ++turn) {
      const size_t contestant = round % 2 == 0 ? turn : count - 1 - turn;
      const double seconds = time_calls(contest, contestant, result.calls);
      measured[contestant] += seconds;
      result.seconds[contestant].push_back(seconds / static_cast<double>(result.calls));
    }
  }
  return result;
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace prune2to4
