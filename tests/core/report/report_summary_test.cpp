// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

CATCH_TEST_CASE("the text summary says what became of each layer") {
  const std::string text = report_summary(sample_report(), Format::kText);
  CATCH_CHECK_THAT(text,
                   StartsWith("1 of 3 linear layers packed to 2:4. The packed weights went from 512 B to "
                              "272 B (53.1%).\n"));
  CATCH_CHECK_THAT(text,
                   Contains("bert.layer.0.weight   8x16  float32  packed  50.0%  512 B   272 B        0.25  "
                            "/layers/0 match \"bert.*\"\n"));
  CATCH_CHECK_THAT(text, Contains("match \"bert.*\"; a group has 3 non-zero elements\n"));
  CATCH_CHECK_THAT(text,
                   Contains("qa_outputs.weight     8x16  float32  dense    0.0%  512 B   512 B           -  "
                            "no rule\n"));
  CATCH_CHECK_THAT(text, Contains("differs from the masked dense one by more than 3e-07"));
}

CATCH_TEST_CASE("the summary says when there was no comparison") {
  Report report = sample_report();
  report.probe = ProbeReport{};
  report.probe->reason = "the model takes no token ids";
  CATCH_CHECK_THAT(report_summary(report, Format::kText),
                   Contains("was not compared with the masked dense one: the model takes no token ids."));
}

CATCH_TEST_CASE("the summary's verbs and numbers fit the count") {
  Report report = sample_report();
  report.layers.resize(1);
  CATCH_CHECK_THAT(report_summary(report, Format::kText), StartsWith("1 of 1 linear layer packed to 2:4. "));
  report.layers[0].outcome = LayerReport::Outcome::kMasked;
  CATCH_CHECK_THAT(report_summary(report, Format::kText),
                   StartsWith("None of 1 linear layer packed to 2:4.\n"));
  CATCH_CHECK_THAT(
      report_summary(dry_report(), Format::kText),
      StartsWith("1 of 3 linear layers would be packed to 2:4. Dry run: nothing was written. The "
                 "packed weights would go from 512 B to 272 B (53.1%).\n"));
}

CATCH_TEST_CASE("CSV holds raw numbers, one layer a line") {
  CATCH_CHECK(
      report_summary(sample_report(), Format::kCsv) ==
      "layer,rows,cols,dtype,outcome,zeros,negative_zeros,dense_bytes,stored_bytes,relative_error,rule,"
      "reason,shares_with,output_error,weight_norm_output_error\n"
      "bert.layer.0.weight,8,16,float32,packed,64,0,512,272,0.25,\"/layers/0 match \"\"bert.*\"\"\",,,,\n"
      "bert.layer.1.weight,8,16,float32,masked,64,0,512,512,0.25,\"/layers/0 match \"\"bert.*\"\"\",a "
      "group has 3 non-zero elements,,,\n"
      "qa_outputs.weight,8,16,float32,dense,0,0,512,512,0,no rule,,,,\n");
  CATCH_CHECK_THAT(report_summary(calibrated_report(), Format::kCsv),
                   Contains("\"\"bert.*\"\"\",,,0.125,0.5\n"));
}

CATCH_TEST_CASE("the summary ends with the scores when there are any") {
  CATCH_CHECK_THAT(
      report_summary(scored_report(), Format::kText),
      Contains("\n\nF1 74.66 (dense), ") && EndsWith("\npacked  35.02  25.03  50.0 s         80.0\n"));
  CATCH_CHECK_THAT(report_summary(sample_report(), Format::kText), !Contains("F1"));
}

CATCH_TEST_CASE("a permutation says what 2:4 keeps, and that the function is the same") {
  for (const Format format : {Format::kText, Format::kMarkdown}) {
    CATCH_CHECK_THAT(report_summary(permuted_report(), format),
                     Contains("The input channels of 12 layers were reordered in 3.50 s: 2:4 keeps 82.81% of "
                              "their squared magnitude on average, 81.25% in the given order. The dense "
                              "model's outputs differ by 8.88e-16 at most (the largest is 4, in float64)."));
    CATCH_CHECK_THAT(report_summary(sample_report(), format), !Contains("reordered"));
  }
  Report report = permuted_report();
  report.permutation->layers = 0;
  CATCH_CHECK_THAT(report_summary(report, Format::kText),
                   Contains("No layer's input channels were reordered") && !Contains("squared magnitude"));
}

CATCH_TEST_CASE(
    "a calibrated run says on what, and shows each layer's output error beside the weight norm's") {
  for (const Format format : {Format::kText, Format::kMarkdown}) {
    const std::string text = report_summary(calibrated_report(), format);
    CATCH_CHECK_THAT(text,
                     Contains("Calibrated by reconstruction on 1,024 windows (204,800 tokens) of ") &&
                         Contains(" in 12.5 s; a layer's outputs there are off by 18.8% on average, with "
                                  "weight-norm masks alone by 37.5%."));
    CATCH_CHECK_THAT(text, Contains("output error") && Contains("by weight norm") && Contains("0.125"));
    CATCH_CHECK_THAT(report_summary(sample_report(), format),
                     !Contains("Calibrated") && !Contains("output error"));
  }
}

CATCH_TEST_CASE("the calibration tells its memory and how layers were calibrated") {
  Report report = calibrated_report();
  report.calibration->peak_bytes = int64_t{512} << 20;
  report.calibration->device_peak_bytes = int64_t{2} << 30;
  report.calibration->sequential = true;
  report.calibration->correct_bias = true;
  CATCH_CHECK_THAT(report_summary(report, Format::kText),
                   Contains("Calibrated by reconstruction layer after layer, biases corrected, on 1,024") &&
                       Contains("in 12.5 s, peak memory 512 MiB, of the GPU 2.00 GiB; a layer's"));
}

CATCH_TEST_CASE("the summary shows what each layer costs, in F1 or in nats") {
  const std::string scored = report_summary(sensitivity_report(true), Format::kText);
  CATCH_CHECK_THAT(scored, Contains("F1 lost") && Contains("70.25     4.25") && Contains("74.75    -0.25"));
  const std::string unscored = report_summary(sensitivity_report(false), Format::kText);
  CATCH_CHECK_THAT(unscored, !Contains("F1") && Contains("divergence") && Contains("0.0625"));
}

CATCH_TEST_CASE("the comparison speaks of tokens or of rows") {
  Report report = sample_report();
  CATCH_CHECK_THAT(report_summary(report, Format::kText),
                   Contains("a random batch of 2 x 128 tokens (cpu, float32)"));
  report.probe->sequence = 0;
  CATCH_CHECK_THAT(report_summary(report, Format::kText),
                   Contains("a random batch of 2 rows (cpu, float32)"));
}

CATCH_TEST_CASE("Markdown escapes and JSON is the report") {
  const Report report = hostile_report();
  CATCH_CHECK_THAT(report_summary(report, Format::kMarkdown), Contains("| \\<script\\>alert(1)"));
  CATCH_CHECK(report_summary(report, Format::kJson) == report_json(report));
}

}  // namespace
}  // namespace prune2to4
