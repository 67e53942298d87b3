// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prune2to4 {

enum class Format { kText, kMarkdown, kCsv, kJson };

// Rows of cells with one title per column; text and Markdown are aligned, CSV is quoted as RFC 4180 has it.
// Cells are plain text: render() escapes what would be markup in the format.
struct Table {
  struct Column {
    std::string title;
    bool right = false;  // numbers
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

// kText, kMarkdown or kCsv; throws std::invalid_argument for kJson.
std::string render(const Table& table, Format format);

// `text` so that Markdown shows it as it is, on one line, inside a table cell or outside.
std::string escape_markdown(std::string_view text);

// Binary units, three significant digits: "1.50 MiB"; "17 B".
std::string format_bytes(int64_t bytes);
// Significant digits as %.*g, the C locale always.
std::string format_number(double value, int digits = 4);
// Digits behind the point as %.*f, the C locale always.
std::string format_fixed(double value, int decimals);
// "0.42 s"; "12.3 s"; "3 min 20 s".
std::string format_seconds(double seconds);

}  // namespace prune2to4
