// SPDX-License-Identifier: Apache-2.0
#include "commands/gates.h"

#include <algorithm>
#include <cmath>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

std::string points(double value) { return format_fixed(value, 2); }

GateResult at_least(const std::string& gate, const std::string& measure, double value, double threshold) {
  const bool passed = value >= threshold;
  const double distance = passed ? value - threshold : threshold - value;
  return {gate, threshold, value, passed,
          measure + " " + points(value) + " is " + points(distance) + (passed ? " above --" : " below --") +
              gate + " " + format_number(threshold, 6)};
}

GateResult at_most(const std::string& gate, const std::string& measure, double value, double threshold) {
  const bool passed = value <= threshold;
  return {gate, threshold, value, passed,
          measure + " " + format_number(value) + " is " + format_number(std::abs(value - threshold)) +
              (passed ? " below --" : " above --") + gate + " " + format_number(threshold, 6)};
}

GateResult drop_at_most(double value, double threshold, const Baseline& baseline) {
  const double drop = baseline.f1 - value;
  const bool passed = drop <= threshold;
  return {"max-f1-drop", threshold, drop, passed,
          "F1 " + points(value) + " is " + points(drop) + " below the baseline's " + points(baseline.f1) +
              " (" + baseline.model + "), " + points(passed ? threshold - drop : drop - threshold) +
              (passed ? " less than --max-f1-drop " : " more than --max-f1-drop ") +
              format_number(threshold, 6)};
}

}  // namespace

std::vector<GateResult> check_gates(const EvalOptions& options, const MeanScore& score,
                                    const std::optional<Baseline>& baseline) {
  std::vector<GateResult> gates;
  if (options.min_f1) gates.push_back(at_least("min-f1", "F1", score.f1, *options.min_f1));
  if (options.min_exact_match) {
    gates.push_back(at_least("min-em", "EM", score.exact_match, *options.min_exact_match));
  }
  if (options.max_f1_drop) gates.push_back(drop_at_most(score.f1, *options.max_f1_drop, *baseline));
  return gates;
}

std::vector<GateResult> check_gates(const BenchOptions& options, const BenchReport& report) {
  std::vector<GateResult> gates;
  const auto& points = report.points;
  if (options.min_speedup) {
    const auto slowest = std::min_element(
        points.begin(), points.end(), [](const auto& a, const auto& b) { return speedup(a) < speedup(b); });
    gates.push_back(at_least("min-speedup", "speed-up at " + point_name(report, *slowest) + ":",
                             speedup(*slowest), *options.min_speedup));
  }
  if (options.max_latency_ms) {
    const auto slowest = std::max_element(points.begin(), points.end(), [](const auto& a, const auto& b) {
      return a.timings[0].seconds.median < b.timings[0].seconds.median;
    });
    gates.push_back(at_most("max-latency-ms", "median at " + point_name(report, *slowest) + ":",
                            1e3 * slowest->timings[0].seconds.median, *options.max_latency_ms));
  }
  return gates;
}

void throw_missed(const std::vector<GateResult>& gates) {
  std::string missed;
  for (const GateResult& gate : gates) {
    if (!gate.passed) missed += (missed.empty() ? "" : "; ") + gate.message;
  }
  if (!missed.empty()) throw Error(ExitStatus::kGate, "gate", missed);
}

}  // namespace prune2to4
