// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/bench_report.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_schema.h"
#include "core/schemas.h"
#include "prune2to4/error.h"
#include "sample_bench.h"
#include "strict_schema.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using nlohmann::json;

void check_schema(const json& document) { validate_json(document, kBenchSchema, "", "bench.json", "report"); }

json document_of(const BenchReport& report) { return json::parse(bench_json(report)); }

CATCH_TEST_CASE("rates follow from the medians") {
  const BenchReport report = sample_bench_report();
  const BenchPoint& point = report.points[0];
  CATCH_CHECK(speedup(point) == Approx(1.25));
  CATCH_CHECK(samples_per_second(point, point.timings[0]) == Approx(5000));
  CATCH_CHECK(tokens_per_second(point, point.timings[0]) == Approx(1536 / 0.0008));
  CATCH_CHECK(teraflops(point, point.timings[0]) == Approx(375));
  CATCH_CHECK(peak_share(report.models[0], point, point.timings[0]) == Approx(0.375));
  const BenchPoint alone = sample_bench_of_file().points[0];
  CATCH_CHECK(std::isnan(speedup(alone)));
  CATCH_CHECK(std::isnan(teraflops(alone, alone.timings[0])));
  CATCH_CHECK(std::isnan(peak_share({}, point, point.timings[0])));
  const BenchPoint layer = sample_bench_of_layer().points[0];
  CATCH_CHECK(std::isnan(samples_per_second(layer, layer.timings[0])));
}

CATCH_TEST_CASE("a profile has a row a kernel, with its share of the GPU's time") {
  BenchReport report = sample_bench_report();
  CATCH_CHECK(profile_table(report).rows.empty());
  report.points[1].timings[0].profile = {{"product", 48, 0.006}, {"attention", 12, 0.002}};
  const Table table = profile_table(report);
  CATCH_CHECK(table.rows == std::vector<std::vector<std::string>>{
                                {"bert.2to4.pt", "batch 64, length 384", "product", "48", "6", "75.0%"},
                                {"bert.2to4.pt", "batch 64, length 384", "attention", "12", "2", "25.0%"}});
  CATCH_CHECK_THAT(bench_summary(report, Format::kText), Contains("75.0%"));
  const json document = document_of(report);
  check_schema(document);
  CATCH_CHECK(document["points"][1]["timings"][0]["profile"][1] ==
              json{{"kernel", "attention"}, {"calls", 12.0}, {"ms", 2.0}});
}

CATCH_TEST_CASE("the text says what ran, how, how fast, with which kernels") {
  CATCH_CHECK(
      bench_summary(sample_bench_report(), Format::kText) ==
      "bert.2to4.pt (float16, encoder engine, 130 MiB of weights) against dense twin (float16, encoder "
      "engine, "
      "208 MiB of weights), on cuda:0.\n"
      "Random tokens; every sequence is full, so there is no padding to remove.\n"
      "Milliseconds a batch: the mean of calls queued in a row with one wait at their end, as in a busy "
      "server; "
      "what it takes to start one is hidden.\n"
      "Logits of the two differ by at most 0.002; the largest is 9.5.\n"
      "NVIDIA H200, driver 580.65: 345 MHz, memory 3201 MHz, 31 \u00B0C, 76 W before; 1980 MHz, memory 3201 "
      "MHz, 52 \u00B0C, 410 W after.\n"
      "\n"
      "batch  length  model         median     p90     p99  spread  samples/s   tokens/s  TFLOP/s  of peak  "
      "speed-up\n"
      "    4     384  bert.2to4.pt  0.8000  0.8400  0.8800    1.0%      5,000  1,920,000      375    37.5%   "
      "  1.250\n"
      "               dense twin     1.000   1.050   1.100    2.0%      4,000  1,536,000      300    30.0%\n"
      "   64     384  bert.2to4.pt   6.400   6.720   7.040    1.0%     10,000  3,840,000      750    75.0%   "
      "  1.500\n"
      "               dense twin     9.600  10.080  10.560    3.0%      6,667  2,560,000      500    50.0%\n"
      "\n"
      "model         from                  layers  kernel\n"
      "bert.2to4.pt  batch 4, length 384        2  sparse 1\n"
      "bert.2to4.pt  batch 64, length 384       1  sparse 1\n"
      "bert.2to4.pt  batch 64, length 384       1  sparse 2\n"
      "dense twin    batch 4, length 384        2  dense\n"
      "\n"
      "gate min-speedup passed: speed-up at batch 4, length 384: 1.25 is 0.05 above\n");
}

CATCH_TEST_CASE("a file's batches show the share of real tokens and who computes padding") {
  const std::string text = bench_summary(sample_bench_of_file(), Format::kText);
  CATCH_CHECK_THAT(text, Contains("The first 16 windows of dev.safetensors in order; padding is computed by "
                                  "bert.pt.\n"));
  CATCH_CHECK_THAT(text, Contains("each call timed by itself"));
  CATCH_CHECK_THAT(text,
                   Contains("40.0%") && !Contains("of peak") && !Contains("speed-up") && !Contains("differ"));
}

CATCH_TEST_CASE("a layer's table counts tokens, not samples") {
  const std::string text = bench_summary(sample_bench_of_layer(), Format::kText);
  CATCH_CHECK_THAT(text, StartsWith("One linear layer, 10,240 to 3,072: 2:4 ("));
  CATCH_CHECK_THAT(text, Contains("tokens  weight") && Contains("3,072") && !Contains("samples/s"));
}

CATCH_TEST_CASE("Markdown has a table, CSV raw numbers in milliseconds, JSON is the report") {
  const BenchReport report = sample_bench_report();
  CATCH_CHECK_THAT(bench_summary(report, Format::kMarkdown),
                   Contains("| bert.2to4.pt |") && EndsWith("0.05 above\n"));
  const std::string csv = bench_summary(report, Format::kCsv);
  CATCH_CHECK_THAT(csv, StartsWith("model,dtype,batch,length,batches,tokens,repeats,calls,median_ms,"));
  CATCH_CHECK_THAT(csv, Contains("\nbert.2to4.pt,float16,4,384,1,1536,40,50,"));
  CATCH_CHECK_THAT(bench_summary(sample_bench_of_layer(), Format::kCsv), Contains("\n2:4,float32,,,1,3072,"));
  CATCH_CHECK(bench_summary(report, Format::kJson) == bench_json(report));
}

CATCH_TEST_CASE("samples that spread are warned of once, with the worst") {
  BenchReport report = sample_bench_report();
  CATCH_CHECK_THAT(
      spread_warning(report),
      Contains("at 1 of 4 medians") && Contains("by 3.0% at most (dense twin, batch 64, length 384)"));
  report.points[1].timings[1].seconds.spread = BenchReport::kMostSpread;
  CATCH_CHECK(spread_warning(report).empty());
}

CATCH_TEST_CASE("every kind of bench follows its schema") {
  CATCH_CHECK_NOTHROW(check_schema(document_of(sample_bench_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(sample_bench_of_file())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(sample_bench_of_layer())));
}

CATCH_TEST_CASE("the bench's schema refuses unknown keys, lacking keys, other versions and kinds") {
  check_is_strict(document_of(sample_bench_report()),
                  {"", "/models/0", "/points/0", "/points/0/timings/0", "/points/0/timings/0/kernels/0",
                   "/gpu", "/gpu/before", "/gates/0"},
                  check_schema);
}

CATCH_TEST_CASE("the bench's JSON holds raw numbers, and null for what is none") {
  BenchReport report = sample_bench_report();
  report.points[0].largest_difference = std::nan("");
  report.before->power = std::nan("");
  const json document = document_of(report);
  CATCH_CHECK_NOTHROW(check_schema(document));
  const json& point = document["points"][0];
  CATCH_CHECK(point["batch"] == 4);
  CATCH_CHECK(point["largest_difference"].is_null());
  CATCH_CHECK(point["timings"][0]["median_ms"] == 0.8);
  CATCH_CHECK(point["timings"][0]["kernels"].size() == 2);
  CATCH_CHECK(point["timings"][1]["model"] == "dense twin");
  CATCH_CHECK(document["models"][1]["sha256"].is_null());
  CATCH_CHECK(document["gpu"]["before"]["power_w"].is_null());
  CATCH_CHECK(document["layer"].is_null());
  const json layer = document_of(sample_bench_of_layer());
  CATCH_CHECK(layer["layer"] == json({{"rows", 3072}, {"cols", 10240}}));
  CATCH_CHECK(layer["points"][0]["batch"].is_null());
  CATCH_CHECK(layer["points"][0]["timings"][0]["samples_per_second"].is_null());
}

CATCH_TEST_CASE("a hostile name neither drives the terminal nor forges lines") {
  BenchReport report = sample_bench_report();
  report.models[0].name = "<b>|\x1b[2J\n# heading\xff";
  const std::string text = bench_summary(report, Format::kText);
  CATCH_CHECK_THAT(text, !Contains("\x1b") && !Contains("\xff") && !Contains("\n# heading"));
  const std::string markdown = bench_summary(report, Format::kMarkdown);
  CATCH_CHECK_THAT(markdown, !Contains("\x1b") && !Contains("<b>|") && !Contains("\n#"));
}

CATCH_TEST_CASE("a difference that is NaN is said, whatever else was found") {
  BenchReport report = sample_bench_report();
  report.points[0].largest_difference = std::nan("");
  CATCH_CHECK_THAT(bench_summary(report, Format::kText), Contains("differ by at most NaN"));
}

}  // namespace
}  // namespace prune2to4
