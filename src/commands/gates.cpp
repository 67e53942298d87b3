// SPDX-License-Identifier: Apache-2.0
#include "commands/gates.h"

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

void throw_missed(const std::vector<GateResult>& gates) {
  std::string missed;
  for (const GateResult& gate : gates) {
    if (!gate.passed) missed += (missed.empty() ? "" : "; ") + gate.message;
  }
  if (!missed.empty()) throw Error(ExitStatus::kGate, "gate", missed);
}

}  // namespace prune2to4
