// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>

#include "core/report/view.h"
#include "prune2to4/bench_report.h"

namespace prune2to4 {
namespace {

using Counts = std::map<std::string, int64_t>;  // layers by kernel

std::string models_text(const BenchReport& report) {
  std::string text;
  for (const BenchModel& model : report.models) {
    text += (text.empty() ? "" : " against ") + model.name + " (" + model.dtype + ", " + model.engine + ", " +
            format_bytes(model.weight_bytes) + " of weights)";
  }
  return text;
}

std::string title_sentence(const BenchReport& report) {
  std::string text = models_text(report);
  if (report.layer) {
    text = "One linear layer, " + grouped(report.layer->cols) + " to " + grouped(report.layer->rows) + ": " +
           text;
  }
  return text + ", on " + report.device + ".";
}

std::string how_sentence(const BenchReport& report) {
  const std::string what = report.layer ? "Milliseconds a call" : "Milliseconds a batch";
  if (report.device == "cpu") return what + ", each call timed by itself.";
  return what +
         ": the mean of calls queued in a row with one wait at their end, as in a busy server; what it takes "
         "to start one is hidden.";
}

std::string padding_sentence(const BenchReport& report) {
  if (report.layer) return "";
  if (!report.data) return "Random tokens; every sequence is full, so there is no padding to remove.";
  const BenchData& data = *report.data;
  std::string removers;
  std::string keepers;
  for (const BenchModel& model : report.models) {
    std::string& names = model.removes_padding ? removers : keepers;
    names += (names.empty() ? "" : " and ") + model.name;
  }
  std::string text = (data.limited ? "The first " : "The ") + grouped(data.windows) + " windows of " +
                     data.name + " in order";
  if (!removers.empty()) text += "; padding is not computed by " + removers;
  if (!keepers.empty()) text += "; padding is computed by " + keepers;
  return text + ".";
}

std::string difference_sentence(const BenchReport& report) {
  double difference = -1;
  double output = 0;
  for (const BenchPoint& point : report.points) {
    if (!point.largest_difference) continue;
    difference = worse(difference, *point.largest_difference);
    output = std::max(output, point.largest_output.value_or(0));
  }
  if (difference == -1) return "";
  return std::string(report.layer ? "Outputs" : "Logits") + " of the two differ by at most " +
         (std::isfinite(difference) ? format_number(difference, 3) : "NaN") + "; the largest is " +
         format_number(output, 3) + ".";
}

std::string state_text(const GpuState& state) {
  return fixed(state.sm_clock, 0) + " MHz, memory " + fixed(state.memory_clock, 0) + " MHz, " +
         fixed(state.temperature, 0) + " \u00B0C, " + fixed(state.power, 0) + " W";
}

std::string gpu_sentence(const BenchReport& report) {
  if (!report.before) return "";
  return report.before->name + ", driver " + report.before->driver + ": " + state_text(*report.before) +
         " before; " + (report.after ? state_text(*report.after) : "unknown") + " after.";
}

Counts count_kernels(const BenchTiming& timing) {
  Counts counts;
  for (const LayerKernel& each : timing.kernels) ++counts[each.kernel];
  return counts;
}

std::string summary(const BenchReport& report, Format format) {
  std::string text;
  for (const std::string& sentence : bench_sentences(report)) {
    text += (format == Format::kMarkdown ? escape_markdown(sentence) + "\n" : sentence) + "\n";
  }
  if (format == Format::kText) text += "\n";
  text += render(bench_table(report, format), format);
  const Table kernels = kernel_table(report);
  if (!kernels.rows.empty()) text += "\n" + render(kernels, format);
  const Table profile = profile_table(report);
  if (!profile.rows.empty()) text += "\n" + render(profile, format);
  if (!report.gates.empty()) text += "\n";
  for (const GateResult& gate : report.gates) text += gate_line(gate, format);
  return text;
}

}  // namespace

Table kernel_table(const BenchReport& report) {
  Table table{{{"model"}, {"from"}, {"layers", true}, {"kernel"}}, {}};
  for (size_t i = 0; i < report.models.size(); ++i) {
    Counts last;
    for (const BenchPoint& point : report.points) {
      const Counts counts = count_kernels(point.timings[i]);
      if (counts == last) continue;
      for (const auto& [kernel, layers] : counts) {
        table.rows.push_back(
            {report.models[i].name, point_name(report, point), std::to_string(layers), kernel});
      }
      last = counts;
    }
  }
  return table;
}

Table profile_table(const BenchReport& report) {
  Table table{{{"model"}, {"at"}, {"GPU kernel"}, {"calls", true}, {"ms", true}, {"share", true}}, {}};
  for (const BenchPoint& point : report.points) {
    for (size_t i = 0; i < point.timings.size(); ++i) {
      double total = 0;
      for (const KernelTime& each : point.timings[i].profile) total += each.seconds;
      for (const KernelTime& each : point.timings[i].profile) {
        table.rows.push_back({report.models[i].name, point_name(report, point), each.name,
                              format_number(each.calls, 4), format_number(1e3 * each.seconds, 4),
                              fixed(100 * each.seconds / total, 1) + "%"});
      }
    }
  }
  return table;
}

std::vector<std::string> bench_sentences(const BenchReport& report) {
  std::vector<std::string> sentences;
  for (const auto& sentence : {title_sentence(report), padding_sentence(report), how_sentence(report),
                               difference_sentence(report), gpu_sentence(report)}) {
    if (!sentence.empty()) sentences.push_back(single_line(sentence));
  }
  return sentences;
}

std::string bench_summary(const BenchReport& report, Format format) {
  switch (format) {
    case Format::kText:
    case Format::kMarkdown:
      return summary(report, format);
    case Format::kCsv:
      return render(bench_table(report, Format::kCsv), Format::kCsv);
    case Format::kJson:
      return bench_json(report);
  }
  return bench_json(report);
}

}  // namespace prune2to4
