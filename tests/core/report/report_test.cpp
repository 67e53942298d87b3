// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/report.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "../temporary_folder.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

CATCH_TEST_CASE("totals count layers by outcome and bytes of packed ones") {
  const ReportTotals sum = totals(sample_report());
  CATCH_CHECK(sum.linear_layers == 3);
  CATCH_CHECK(sum.selected == 2);
  CATCH_CHECK(sum.packed == 1);
  CATCH_CHECK(sum.masked == 1);
  CATCH_CHECK(sum.elements == 128);
  CATCH_CHECK(sum.zeros == 64);
  CATCH_CHECK(sum.dense_bytes == 512);
  CATCH_CHECK(sum.packed_bytes == 272);
}

CATCH_TEST_CASE("a shared weight counts once, whichever layers name each other") {
  for (const bool both_ways : {false, true}) {
    Report report;
    for (const char* name : {"a", "b", "c"}) {
      report.layers.push_back(sample_layer(name, LayerReport::Outcome::kPacked));
    }
    if (both_ways) report.layers[0].shares_with = "b";
    report.layers[1].shares_with = "a";
    report.layers[2].shares_with = both_ways ? "b" : "a";
    const ReportTotals sum = totals(report);
    CATCH_CHECK(sum.packed == 3);
    CATCH_CHECK(sum.dense_bytes == 512);
    CATCH_CHECK(sum.packed_bytes == 272);
  }
}

CATCH_TEST_CASE("the three views are written beside each other") {
  const TemporaryFolder folder;
  const Report report = sample_report();
  write_report(report, folder / "model.2to4");
  CATCH_CHECK(read_text_file(folder / "model.2to4.report.json", 1 << 20) == report_json(report));
  CATCH_CHECK(read_text_file(folder / "model.2to4.report.md", 1 << 20) == report_markdown(report));
  CATCH_CHECK(read_text_file(folder / "model.2to4.report.html", 1 << 20) == report_html(report));
  CATCH_CHECK(folder.size() == 3);
}

CATCH_TEST_CASE("a view that cannot be written leaves no JSON") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "m.report.md");
  CATCH_CHECK_THROWS_AS(write_report(sample_report(), folder / "m"), Error);
  CATCH_CHECK_FALSE(std::filesystem::exists(folder / "m.report.json"));
}

}  // namespace
}  // namespace prune2to4
