// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/report.h"

#include <set>

#include "prune2to4/atomic_file.h"
#include "prune2to4/report_files.h"

namespace prune2to4 {

ReportTotals totals(const Report& report) {
  ReportTotals sum;
  std::set<std::string> counted;
  for (const auto& layer : report.layers) {
    ++sum.linear_layers;
    sum.selected += layer.outcome != LayerReport::Outcome::kDense ? 1 : 0;
    sum.masked += layer.outcome == LayerReport::Outcome::kMasked ? 1 : 0;
    sum.packed += layer.outcome == LayerReport::Outcome::kPacked ? 1 : 0;
    const bool again = !layer.shares_with.empty() && counted.contains(layer.shares_with);
    counted.insert(layer.name);
    if (again || layer.outcome != LayerReport::Outcome::kPacked) continue;
    sum.elements += layer.rows * layer.cols;
    sum.zeros += layer.zeros;
    sum.negative_zeros += layer.negative_zeros;
    sum.dense_bytes += layer.dense_bytes;
    sum.packed_bytes += layer.stored_bytes;
  }
  return sum;
}

ReportFiles report_files(const std::filesystem::path& stem) {
  const auto named = [&](const char* ending) { return std::filesystem::path(stem.string() + ending); };
  return {named(".report.html"), named(".report.md"), named(".report.json")};
}

void write_report(const Report& report, const std::filesystem::path& stem) {
  const ReportFiles files = report_files(stem);
  write_text_file(files.html, report_html(report));
  write_text_file(files.markdown, report_markdown(report));
  write_text_file(files.json, report_json(report));
}

}  // namespace prune2to4
