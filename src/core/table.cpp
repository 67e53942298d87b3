// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "core/printable.h"

namespace prune2to4 {
namespace {

std::string one_line(std::string_view text) {
  std::string result = printable(text);
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return result;
}

std::string pad(const std::string& cell, size_t width, bool right) {
  const std::string space(width - std::min(width, display_width(cell)), ' ');
  return right ? space + cell : cell + space;
}

using Cells = std::vector<std::string>;

// Titles first, then the rows, each cell through `escape`; short rows are filled up.
template <typename Escape>
std::vector<Cells> cells_of(const Table& table, Escape escape) {
  std::vector<Cells> lines(1);
  for (const auto& column : table.columns) lines[0].push_back(escape(column.title));
  for (const auto& row : table.rows) {
    Cells line;
    for (const auto& cell : row) line.push_back(escape(cell));
    line.resize(table.columns.size());
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<size_t> widths_of(const std::vector<Cells>& lines, size_t least) {
  std::vector<size_t> widths(lines[0].size(), least);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], display_width(line[i]));
  }
  return widths;
}

std::string render_text(const Table& table) {
  const auto lines = cells_of(table, one_line);
  const auto widths = widths_of(lines, 0);
  std::string result;
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      text += (i > 0 ? "  " : "") + pad(line[i], widths[i], table.columns[i].right);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    result += text + "\n";
  }
  return result;
}

std::string render_markdown(const Table& table) {
  auto lines = cells_of(table, escape_markdown);
  const auto widths = widths_of(lines, 3);
  Cells rule;
  for (size_t i = 0; i < widths.size(); ++i) {
    rule.push_back(std::string(widths[i] - 1, '-') + (table.columns[i].right ? ":" : "-"));
  }
  lines.insert(lines.begin() + 1, rule);
  std::string result;
  for (const auto& line : lines) {
    result += "|";
    for (size_t i = 0; i < line.size(); ++i) {
      result += " " + pad(line[i], widths[i], table.columns[i].right) + " |";
    }
    result += "\n";
  }
  return result;
}

std::string quote_csv(std::string_view text) {
  std::string cell = printable(text);
  if (cell.find_first_of("\",\n") == std::string::npos) return cell;
  for (size_t at = cell.find('"'); at != std::string::npos; at = cell.find('"', at + 2))
    cell.insert(at, "\"");
  return "\"" + cell + "\"";
}

std::string render_csv(const Table& table) {
  std::string result;
  for (const auto& line : cells_of(table, quote_csv)) {
    for (size_t i = 0; i < line.size(); ++i) result += (i > 0 ? "," : "") + line[i];
    result += "\n";
  }
  return result;
}

std::string to_text(double value, std::chars_format format, int digits) {
  std::array<char, 400> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, digits).ptr;
  return std::string(buffer.data(), end);
}

// At least three significant digits, never an exponent: 1.50, 12.3, 456.
std::string three_digits(double value) {
  return to_text(value, std::chars_format::fixed, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

bool is_word(std::string_view text, size_t i) {
  return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_');
}

}  // namespace

std::string render(const Table& table, Format format) {
  switch (format) {
    case Format::kText:
      return render_text(table);
    case Format::kMarkdown:
      return render_markdown(table);
    case Format::kCsv:
      return render_csv(table);
    case Format::kJson:
      break;
  }
  throw std::invalid_argument("a table renders as text, Markdown or CSV");
}

std::string escape_markdown(std::string_view text) {
  const std::string line = one_line(text);
  std::string result;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool emphasis = c == '_' && !(i > 0 && is_word(line, i - 1) && is_word(line, i + 1));
    if (emphasis || std::string_view("\\`*[]<>|&~$").find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string format_bytes(int64_t bytes) {
  constexpr std::array<const char*, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = std::fabs(static_cast<double>(bytes));
  if (value < 1024) return std::to_string(bytes) + " B";
  size_t unit = 0;
  for (value /= 1024; value >= 1023.5 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return (bytes < 0 ? "-" : "") + three_digits(value) + " " + kUnits[unit];
}

std::string format_number(double value, int digits) {
  return to_text(value, std::chars_format::general, digits);
}

std::string format_fixed(double value, int decimals) {
  return to_text(value, std::chars_format::fixed, decimals);
}

std::string format_seconds(double seconds) {
  if (!(seconds >= 99.95)) return three_digits(seconds) + " s";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

}  // namespace prune2to4
