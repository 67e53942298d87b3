// SPDX-License-Identifier: Apache-2.0
#include "core/report/view.h"

#include <algorithm>
#include <cmath>

#include "core/printable.h"
#include "core/report/training_section.h"

namespace prune2to4 {
namespace {

constexpr const char* kEllipsis = "\u2026";

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

std::string layers_of(int64_t count) {
  return std::to_string(count) + (count == 1 ? " linear layer" : " linear layers");
}

// Empty without a finite loss and without scores.
std::string finetune_detail(const TrainingRun& run) {
  std::string text;
  if (const auto loss = loss_change(run)) {
    text = "The loss went from " + fixed(loss->first, 3) + " to " + fixed(loss->last, 3);
  }
  const auto scored = std::find_if(run.epochs.rbegin(), run.epochs.rend(),
                                   [](const TrainingEpoch& epoch) { return epoch.score.has_value(); });
  if (scored != run.epochs.rend()) {
    text += (text.empty() ? "F1 is " : "; F1 is ") + fixed(scored->score->f1, 2) + " after epoch " +
            std::to_string(scored->epoch);
  }
  return text.empty() ? "" : text + ".";
}

std::string quote_shell(const std::string& argument) {
  const bool plain = !argument.empty() && argument.find_first_not_of(
                                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_-+=./:,@%") == std::string::npos;
  if (plain) return argument;
  std::string result = "'";
  for (const char c : argument) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// "a random batch of 2 x 16 tokens", "random inputs x float32 [2, 8]", "the inputs of probe.safetensors,
// ...".
std::string probed_inputs(const ProbeReport& probe) {
  if (probe.source.empty() && (probe.sequence > 0 || probe.inputs.empty())) {
    return "a random batch of " + std::to_string(probe.batch) +
           (probe.sequence > 0 ? " x " + std::to_string(probe.sequence) + " tokens" : " rows");
  }
  std::string text = probe.source.empty() ? "random inputs " : "the inputs of " + probe.source + ", ";
  for (size_t i = 0; i < probe.inputs.size(); ++i) {
    const ProbeInput& input = probe.inputs[i];
    text += (i > 0 ? ", " : "") + input.name + " " + input.dtype + " [";
    for (size_t j = 0; j < input.shape.size(); ++j)
      text += (j > 0 ? ", " : "") + std::to_string(input.shape[j]);
    text += "]";
  }
  return text;
}

}  // namespace

std::string outcome_name(LayerReport::Outcome outcome) {
  switch (outcome) {
    case LayerReport::Outcome::kDense:
      return "dense";
    case LayerReport::Outcome::kMasked:
      return "masked";
    case LayerReport::Outcome::kPacked:
      return "packed";
  }
  return "unknown";
}

bool is_finetune(const Report& report) { return !report.training.empty() && totals(report).selected == 0; }

std::string outcome_title(const Report& report) {
  if (is_finetune(report)) return "Fine-tuned for " + training_length(report.training[0]);
  const ReportTotals sum = totals(report);
  const std::string count = sum.packed == 0 ? "None" : std::to_string(sum.packed);
  return count + " of " + layers_of(sum.linear_layers) +
         (report.dry_run ? " would be packed to 2:4" : " packed to 2:4");
}

std::string outcome_detail(const Report& report) {
  if (is_finetune(report)) return finetune_detail(report.training[0]);
  const ReportTotals sum = totals(report);
  if (sum.packed == 0) return report.dry_run ? "Dry run: nothing was written." : "";
  const std::string sizes = "from " + format_bytes(sum.dense_bytes) + " to " +
                            format_bytes(sum.packed_bytes) + " (" +
                            percent(sum.packed_bytes, sum.dense_bytes) + ").";
  if (report.dry_run) return "Dry run: nothing was written. The packed weights would go " + sizes;
  return "The packed weights went " + sizes;
}

std::string probe_sentence(const Report& report) {
  if (!report.probe) return "";
  const ProbeReport& probe = *report.probe;
  if (!probe.ran) return "The packed model was not compared with the masked dense one: " + probe.reason + ".";
  std::string text = "On " + probed_inputs(probe) + " (" + probe.device + ", " + probe.dtype +
                     "), no logit of the packed model differs from the masked dense one by more than " +
                     format_number(probe.largest_logit_difference, 3) + "; the largest logit is " +
                     format_number(probe.largest_logit, 3) + ".";
  if (probe.integers > 0) {
    text += " Of " + grouped(probe.integers) + " outputs that are integers, " +
            grouped(probe.changed_integers) + " differ.";
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> totals_rows(const Report& report) {
  const ReportTotals sum = totals(report);
  std::vector<std::pair<std::string, std::string>> rows{{"linear layers", std::to_string(sum.linear_layers)},
                                                        {"selected", std::to_string(sum.selected)},
                                                        {"packed", std::to_string(sum.packed)}};
  if (sum.masked > 0) rows.emplace_back("masked, not packed", std::to_string(sum.masked));
  if (sum.packed == 0) return rows;
  rows.emplace_back("weights in packed layers", grouped(sum.elements));
  rows.emplace_back("zeros in packed layers", percent(sum.zeros, sum.elements));
  if (sum.negative_zeros > 0) {
    rows.emplace_back("pruned -0.0 that read back as +0.0", std::to_string(sum.negative_zeros));
  }
  rows.emplace_back("dense size", format_bytes(sum.dense_bytes));
  rows.emplace_back("packed size",
                    format_bytes(sum.packed_bytes) + " (" + percent(sum.packed_bytes, sum.dense_bytes) + ")");
  return rows;
}

Table file_table(const Report& report) {
  Table table{{{"file"}, {"name"}, {"size", true}, {"SHA-256"}}, {}};
  const auto add = [&](const std::string& role, const FileReport& file) {
    table.rows.push_back({role, file.name, format_bytes(file.bytes), file.sha256});
  };
  add("model read", report.input);
  if (report.output) add("model written", *report.output);
  return table;
}

std::string shape_of(const LayerReport& layer) {
  return std::to_string(layer.rows) + "x" + std::to_string(layer.cols);
}

std::string zeros_of(const LayerReport& layer) { return percent(layer.zeros, layer.rows * layer.cols); }

std::string error_of(const LayerReport& layer) {
  return layer.outcome == LayerReport::Outcome::kDense ? "-" : format_number(layer.relative_error, 3);
}

std::string rule_of(const LayerReport& layer) {
  std::string text = layer.rule;
  if (!layer.reason.empty() && layer.reason != layer.rule) text += (text.empty() ? "" : "; ") + layer.reason;
  if (!layer.shares_with.empty()) text += (text.empty() ? "" : "; ") + ("shares " + layer.shares_with);
  return text;
}

std::string percent(int64_t part, int64_t whole, int digits) {
  if (whole <= 0) return "-";
  return fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), digits) + "%";
}

std::string grouped(int64_t count) {
  std::string text = std::to_string(count);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string squad_version_name(SquadVersion version) { return version == SquadVersion::k11 ? "1.1" : "2.0"; }

double questions_per_second(const ModelScore& model) {
  return static_cast<double>(model.score.all.questions) / model.seconds;
}

std::string fixed(double value, int decimals) {
  return std::isfinite(value) ? format_fixed(value, decimals) : "-";
}

std::string single_line(std::string_view text) {
  std::string line = printable(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return line;
}

std::string head_of(std::string_view text, size_t width) {
  const std::string line = single_line(text);
  if (display_width(line) <= width) return line;
  size_t end = 0;
  for (size_t points = 0; points + 1 < width; ++points) {
    do ++end;
    while (continues(line[end]));
  }
  return line.substr(0, end) + kEllipsis;
}

std::string tail_of(std::string_view text, size_t width) {
  const std::string line = single_line(text);
  if (display_width(line) <= width) return line;
  size_t begin = line.size();
  for (size_t points = 0; points + 1 < width; ++points) {
    do --begin;
    while (continues(line[begin]));
  }
  return kEllipsis + line.substr(begin);
}

std::string layer_label(std::string_view name, size_t width) {
  constexpr std::string_view kWeight = ".weight";
  if (name.ends_with(kWeight) && name.size() > kWeight.size()) name.remove_suffix(kWeight.size());
  return tail_of(name, width);
}

std::string gate_line(const GateResult& gate, Format format) {
  const std::string line =
      single_line("gate " + gate.name + (gate.passed ? " passed: " : " missed: ") + gate.message);
  return format == Format::kMarkdown ? "- " + escape_markdown(line) + "\n" : line + "\n";
}

std::string command_line(const std::vector<std::string>& argv) {
  std::string line;
  for (const auto& argument : argv) line += (line.empty() ? "" : " ") + quote_shell(argument);
  return line;
}

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace prune2to4
