// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/table.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace prune2to4 {
namespace {

const Table kTable{{{"name"}, {"size", true}}, {{"a", "1"}, {"gr\u00fcn", "1000"}}};

CATCH_TEST_CASE("text columns are aligned by characters, without trailing blanks") {
  CATCH_CHECK(render(kTable, Format::kText) == "name  size\na        1\ngr\u00fcn  1000\n");
  CATCH_CHECK(render(Table{{{"a"}, {"b"}}, {{"long", ""}}}, Format::kText) == "a     b\nlong\n");
}

CATCH_TEST_CASE("Markdown columns carry their alignment") {
  CATCH_CHECK(render(kTable, Format::kMarkdown) ==
              "| name | size |\n| ---- | ---: |\n| a    |    1 |\n| gr\u00fcn | 1000 |\n");
}

CATCH_TEST_CASE("CSV quotes commas, quotes and line ends") {
  const Table table{{{"x"}, {"y"}}, {{"a,b", "say \"hi\" \"\""}, {"two\nlines", "plain"}}};
  CATCH_CHECK(render(table, Format::kCsv) ==
              "x,y\n\"a,b\",\"say \"\"hi\"\" \"\"\"\"\"\n\"two\nlines\",plain\n");
}

CATCH_TEST_CASE("cells stay on one line and cannot drive the terminal") {
  const Table table{{{"x"}}, {{"a\nb\tc\x1b[2J"}}};
  CATCH_CHECK(render(table, Format::kText) == "x\na b c?[2J\n");
  CATCH_CHECK(render(table, Format::kMarkdown).find("a b c?\\[2J") != std::string::npos);
}

CATCH_TEST_CASE("rows that are too short are filled up") {
  CATCH_CHECK(render(Table{{{"x"}, {"y"}}, {{"1"}}}, Format::kCsv) == "x,y\n1,\n");
}

CATCH_TEST_CASE("a table does not render as JSON") {
  CATCH_CHECK_THROWS_AS(render(kTable, Format::kJson), std::invalid_argument);
}

CATCH_TEST_CASE("Markdown markup is escaped, words with underscores stay readable") {
  CATCH_CHECK(escape_markdown("a|b`c`<i>*x*[y](z)") == "a\\|b\\`c\\`\\<i\\>\\*x\\*\\[y\\](z)");
  CATCH_CHECK(escape_markdown("qa_outputs.q_proj") == "qa_outputs.q_proj");
  CATCH_CHECK(escape_markdown("_em_ a_.b") == "\\_em\\_ a\\_.b");
  CATCH_CHECK(escape_markdown("&lt; \\") == "\\&lt; \\\\");
}

CATCH_TEST_CASE("bytes have binary units and three digits") {
  CATCH_CHECK(format_bytes(0) == "0 B");
  CATCH_CHECK(format_bytes(17) == "17 B");
  CATCH_CHECK(format_bytes(1023) == "1023 B");
  CATCH_CHECK(format_bytes(1024) == "1.00 KiB");
  CATCH_CHECK(format_bytes(1536 * 1024) == "1.50 MiB");
  CATCH_CHECK(format_bytes(22 * 1024 * 1024) == "22.0 MiB");
  CATCH_CHECK(format_bytes(1024 * 1024 - 1) == "1.00 MiB");
  CATCH_CHECK(format_bytes(10 * 1024 - 1) == "10.0 KiB");
  CATCH_CHECK(format_bytes(-2048) == "-2.00 KiB");
  CATCH_CHECK(format_bytes(std::numeric_limits<int64_t>::max()) == "8.00 EiB");
  CATCH_CHECK(format_bytes(std::numeric_limits<int64_t>::min()) == "-8.00 EiB");
}

CATCH_TEST_CASE("numbers look as with %g in the C locale") {
  CATCH_CHECK(format_number(0.25) == "0.25");
  CATCH_CHECK(format_number(1.0 / 3, 3) == "0.333");
  CATCH_CHECK(format_number(3.2e-7, 3) == "3.2e-07");
  CATCH_CHECK(format_number(1234567.0, 4) == "1.235e+06");
  CATCH_CHECK(format_number(std::nan("")) == "nan");
  CATCH_CHECK(format_number(-INFINITY) == "-inf");
}

CATCH_TEST_CASE("times are in seconds up to a hundred, then in minutes") {
  CATCH_CHECK(format_seconds(0.4213) == "0.42 s");
  CATCH_CHECK(format_seconds(12.34) == "12.3 s");
  CATCH_CHECK(format_seconds(99.96) == "1 min 40 s");
  CATCH_CHECK(format_seconds(200) == "3 min 20 s");
}

}  // namespace
}  // namespace prune2to4
