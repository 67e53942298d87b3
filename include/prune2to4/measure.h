// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace prune2to4 {

// How long each contestant is measured at a point.
struct MeasureOptions {
  int64_t repeats = 10;           // at least
  double min_seconds = 3;         // at least
  double warm_up_seconds = 0.5;   // at least, and three calls, before the first repeat
  double seconds_per_repeat = 0;  // calls are queued until a repeat lasts about so long; 0: one call
};

// What takes part, and the machine under it.
struct Contest {
  std::vector<std::function<void()>> calls;  // of each contestant; may only queue its work
  std::function<void()> wait;                // until what was queued is done
  std::function<double()> now;               // seconds
};

struct Measurement {
  int64_t calls = 1;                         // in a row, before one wait, in each repeat
  std::vector<std::vector<double>> seconds;  // of one call: by contestant, by repeat
};

// Contestants take turns, a repeat each, in an order that changes from round to round: what drifts (clocks,
// heat, neighbours) meets all of them. All have the same number of repeats. Throws Interrupted between two
// repeats.
Measurement measure(const Contest& contest, const MeasureOptions& options);

// Seconds of a clock that never goes back.
double steady_seconds();

}  // namespace prune2to4
