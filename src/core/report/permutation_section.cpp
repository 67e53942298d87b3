// SPDX-License-Identifier: Apache-2.0
#include "core/report/permutation_section.h"

#include "core/report/view.h"

namespace prune2to4 {

std::string permutation_sentence(const Report& report) {
  if (!report.permutation) return "";
  const PermutationReport& permutation = *report.permutation;
  if (permutation.layers == 0) {
    return "No layer's input channels were reordered: none that is pruned to 2:4 would keep more.";
  }
  const auto percent_of = [](double share) { return fixed(100 * share, 2) + "%"; };
  return "The input channels of " + grouped(permutation.layers) + " layers were reordered in " +
         format_seconds(permutation.seconds) + ": 2:4 keeps " + percent_of(permutation.kept_after) +
         " of their squared magnitude on average, " + percent_of(permutation.kept_before) +
         " in the given order. The dense model's outputs differ by " +
         format_number(permutation.largest_logit_difference, 3) + " at most (the largest is " +
         format_number(permutation.largest_logit, 3) + ", in " + permutation.dtype + ").";
}

}  // namespace prune2to4
