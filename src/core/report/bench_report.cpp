// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/bench_report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/report/view.h"

namespace prune2to4 {
namespace {

using Cells = std::vector<std::string>;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMilliseconds = 1e3;  // of a second

// A number that is none is an empty field.
std::string raw(double value) { return std::isfinite(value) ? format_number(value, 17) : ""; }

std::string raw(const std::optional<double>& value) { return value ? raw(*value) : ""; }

std::string milliseconds(double seconds) {
  const double value = seconds * kMilliseconds;
  return fixed(value, value < 1 ? 4 : value < 100 ? 3 : 1);
}

// Four digits, thousands grouped.
std::string rate(double value) {
  if (!std::isfinite(value)) return "-";
  return value < 999.5 ? format_number(value, 4) : grouped(std::llround(value));
}

std::string real_share(const BenchPoint& point) {
  return fixed(100 * point.tokens / static_cast<double>(point.batch * point.length), 1) + "%";
}

Cells raw_row(const BenchReport& report, const BenchPoint& point, size_t contestant) {
  const BenchTiming& timing = point.timings[contestant];
  const Statistics& seconds = timing.seconds;
  const bool layer = report.layer.has_value();
  return {report.models[contestant].name,
          report.models[contestant].dtype,
          layer ? "" : std::to_string(point.batch),
          layer ? "" : std::to_string(point.length),
          std::to_string(point.batches),
          raw(point.tokens),
          std::to_string(seconds.count),
          std::to_string(point.calls),
          raw(seconds.median * kMilliseconds),
          raw(seconds.p90 * kMilliseconds),
          raw(seconds.p99 * kMilliseconds),
          raw(seconds.min * kMilliseconds),
          raw(seconds.max * kMilliseconds),
          raw(seconds.spread),
          raw(samples_per_second(point, timing)),
          raw(tokens_per_second(point, timing)),
          raw(teraflops(point, timing)),
          raw(peak_share(report.models[contestant], point, timing)),
          contestant == 0 ? raw(speedup(point)) : "",
          raw(point.largest_difference)};
}

Table raw_bench_table(const BenchReport& report) {
  Table table;
  for (const char* title : {"model",
                            "dtype",
                            "batch",
                            "length",
                            "batches",
                            "tokens",
                            "repeats",
                            "calls",
                            "median_ms",
                            "p90_ms",
                            "p99_ms",
                            "min_ms",
                            "max_ms",
                            "spread",
                            "samples_per_second",
                            "tokens_per_second",
                            "tflops",
                            "peak_share",
                            "speedup",
                            "largest_difference"}) {
    table.columns.push_back({title});
  }
  for (const BenchPoint& point : report.points) {
    for (size_t i = 0; i < point.timings.size(); ++i) table.rows.push_back(raw_row(report, point, i));
  }
  return table;
}

bool knows_peak(const BenchReport& report) {
  return std::any_of(report.models.begin(), report.models.end(),
                     [](const BenchModel& model) { return model.peak_teraflops > 0; });
}

Table empty_table(const BenchReport& report) {
  Table table;
  const auto add = [&](const char* title) { table.columns.push_back({title, true}); };
  if (report.layer) {
    add("tokens");
  } else {
    add("batch");
    add("length");
    if (report.data) add("real");
  }
  table.columns.push_back({report.layer ? "weight" : "model"});
  for (const char* title : {"median", "p90", "p99", "spread"}) add(title);
  if (!report.layer) add("samples/s");
  add("tokens/s");
  add("TFLOP/s");
  if (knows_peak(report)) add("of peak");
  if (report.models.size() > 1) add("speed-up");
  return table;
}

// What tells the point from others stands in its first row only.
Cells row(const BenchReport& report, const BenchPoint& point, size_t contestant) {
  const BenchTiming& timing = point.timings[contestant];
  Cells cells;
  if (report.layer) {
    cells = {grouped(std::llround(point.tokens))};
  } else {
    cells = {std::to_string(point.batch), std::to_string(point.length)};
    if (report.data) cells.push_back(real_share(point));
  }
  if (contestant > 0) cells.assign(cells.size(), "");
  cells.push_back(report.models[contestant].name);
  for (const double seconds : {timing.seconds.median, timing.seconds.p90, timing.seconds.p99}) {
    cells.push_back(milliseconds(seconds));
  }
  cells.push_back(fixed(100 * timing.seconds.spread, 1) + "%");
  if (!report.layer) cells.push_back(rate(samples_per_second(point, timing)));
  cells.push_back(rate(tokens_per_second(point, timing)));
  cells.push_back(rate(teraflops(point, timing)));
  if (knows_peak(report)) {
    const double share = peak_share(report.models[contestant], point, timing);
    cells.push_back(std::isfinite(share) ? fixed(100 * share, 1) + "%" : "-");
  }
  if (report.models.size() > 1) cells.push_back(contestant == 0 ? fixed(speedup(point), 3) : "");
  return cells;
}

}  // namespace

double speedup(const BenchPoint& point) {
  if (point.timings.size() < 2) return kNone;
  return point.timings[1].seconds.median / point.timings[0].seconds.median;
}

double samples_per_second(const BenchPoint& point, const BenchTiming& timing) {
  return point.batch > 0 ? static_cast<double>(point.batch) / timing.seconds.median : kNone;
}

double tokens_per_second(const BenchPoint& point, const BenchTiming& timing) {
  return point.tokens / timing.seconds.median;
}

double teraflops(const BenchPoint& point, const BenchTiming& timing) {
  return point.flops > 0 ? point.flops / timing.seconds.median / 1e12 : kNone;
}

double peak_share(const BenchModel& model, const BenchPoint& point, const BenchTiming& timing) {
  return model.peak_teraflops > 0 ? teraflops(point, timing) / model.peak_teraflops : kNone;
}

std::string point_name(const BenchReport& report, const BenchPoint& point) {
  if (report.layer) return grouped(std::llround(point.tokens)) + " tokens";
  return "batch " + std::to_string(point.batch) + (report.data ? ", padded to " : ", length ") +
         std::to_string(point.length);
}

std::string spread_warning(const BenchReport& report) {
  int64_t above = 0;
  int64_t all = 0;
  double most = 0;
  std::string where;
  for (const BenchPoint& point : report.points) {
    for (size_t i = 0; i < point.timings.size(); ++i) {
      const double spread = point.timings[i].seconds.spread;
      above += spread > BenchReport::kMostSpread;
      ++all;
      if (!(spread > most)) continue;
      most = spread;
      where = report.models[i].name + ", " + point_name(report, point);
    }
  }
  if (above == 0) return "";
  return "the middle half of the samples spreads by more than " +
         format_number(100 * BenchReport::kMostSpread) + "% of the median at " + grouped(above) + " of " +
         grouped(all) + " medians, by " + fixed(100 * most, 1) + "% at most (" + where +
         "): other work on the machine, or clocks that change";
}

Table bench_table(const BenchReport& report, Format format) {
  if (format == Format::kCsv) return raw_bench_table(report);
  Table table = empty_table(report);
  for (const BenchPoint& point : report.points) {
    for (size_t i = 0; i < point.timings.size(); ++i) table.rows.push_back(row(report, point, i));
  }
  return table;
}

}  // namespace prune2to4
