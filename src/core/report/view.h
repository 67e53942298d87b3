// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prune2to4/report.h"

// Plain-text pieces that the text, Markdown and HTML views share; each view escapes them for its own format.
namespace prune2to4 {

std::string outcome_name(LayerReport::Outcome outcome);  // "dense", "masked", "packed"

// Whether it is a report of `finetune`: training, and no layer selected.
bool is_finetune(const Report& report);

// "36 of 37 linear layers packed to 2:4", and a sentence on their bytes (empty when none is packed).
// Of `finetune`: "Fine-tuned for 3 epochs", and a sentence on loss and F1.
std::string outcome_title(const Report& report);
std::string outcome_detail(const Report& report);

// What the probe found, or why it did not run; empty without a probe.
std::string probe_sentence(const Report& report);

// Name and value of each total worth saying.
std::vector<std::pair<std::string, std::string>> totals_rows(const Report& report);
Table file_table(const Report& report);

// "384x384"; "50.0%", "-" when unknown; the rule, why the layer is not packed, what it shares.
std::string shape_of(const LayerReport& layer);
std::string zeros_of(const LayerReport& layer);
std::string error_of(const LayerReport& layer);
std::string rule_of(const LayerReport& layer);

// "30.9%", "-" of nothing; 1234567 as "1,234,567"; "1.1" or "2.0".
std::string percent(int64_t part, int64_t whole, int digits = 1);
std::string grouped(int64_t count);
std::string squad_version_name(SquadVersion version);

// Infinity or NaN when no time was measured.
double questions_per_second(const ModelScore& model);

// `value` with this many decimals; "-" when it is not finite.
std::string fixed(double value, int decimals);

// `text` printable and on one line.
std::string single_line(std::string_view text);
// Its first or its last characters, at most `width` of them; an ellipsis stands for the others.
std::string head_of(std::string_view text, size_t width);
std::string tail_of(std::string_view text, size_t width);

// A weight's name without ".weight"; of a long one the end, which tells layers apart.
std::string layer_label(std::string_view name, size_t width);

// "gate min-f1 missed: ...", as text or as a Markdown point.
std::string gate_line(const GateResult& gate, Format format);

// argv as a shell would take it.
std::string command_line(const std::vector<std::string>& argv);

// `text` as HTML or SVG text or attribute value.
std::string escape_html(std::string_view text);

}  // namespace prune2to4
