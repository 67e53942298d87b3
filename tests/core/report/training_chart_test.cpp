// SPDX-License-Identifier: Apache-2.0
#include "core/report/training_chart.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/report/training_curves.h"
#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::vector<TrainingRun> two_runs() { return trained_report().training; }

TrainingRun long_run(int64_t points) {
  TrainingRun run = sample_run("sparse");
  run.points.clear();
  for (int64_t i = 1; i <= points; ++i) {
    run.points.push_back({i, 0, i % 2 == 0 ? 1.0 : 3.0, 0, 0, 1e-3, 1});
  }
  return run;
}

CATCH_TEST_CASE("the training chart has panels of loss, learning rate and F1") {
  const std::string svg = training_chart(two_runs());
  CATCH_CHECK_THAT(svg, StartsWith("<svg viewBox=\"0 0 960 ") && EndsWith("</svg>\n"));
  for (const char* title : {">Loss</text>", ">Learning rate</text>", ">F1 after each epoch</text>"}) {
    CATCH_CHECK_THAT(svg, Contains(title));
  }
  CATCH_CHECK(count(svg, "<path ") == 3 * 2);
  CATCH_CHECK(count(svg, "class=\"curve run0\"") == 3);
  CATCH_CHECK(count(svg, "class=\"curve run1\"") == 3);
  CATCH_CHECK(count(svg, "<circle ") == 4);
  CATCH_CHECK_THAT(svg, Contains("<title>dense + same budget: F1 72.12 at step 200</title>"));
  CATCH_CHECK_THAT(svg, Contains(">sparse</text>") && Contains(">dense + same budget</text>"));
  CATCH_CHECK_THAT(svg,
                   Contains(">epoch 1</text>") && Contains(">epoch 2</text>") && Contains(">100</text>"));
}

CATCH_TEST_CASE("the training chart leaves the panel of F1 out where there are no scores") {
  std::vector<TrainingRun> runs = two_runs();
  for (auto& run : runs) {
    for (auto& epoch : run.epochs) epoch.score.reset();
  }
  const std::string svg = training_chart(runs);
  CATCH_CHECK_THAT(svg, !Contains("F1 after") && !Contains("<circle"));
  CATCH_CHECK(count(svg, "<path ") == 2 * 2);
}

CATCH_TEST_CASE("the loss curve is to scale and breaks where there is no number") {
  TrainingRun run = sample_run("sparse");
  run.points = {{50, 0, 4, 0, 0, 1e-3, 1},
                {100, 0, 1, 0, 0, 1e-3, 1},
                {150, 0, std::nan(""), 0, 0, 1e-3, 1},
                {200, 0, 2, 0, 0, 1e-3, 1}};
  const std::string svg = training_chart({run});
  // 1 to 4 over 230 units below y 80; 0 to 200 over 826 units right of x 64.
  CATCH_CHECK_THAT(svg, Contains("d=\"M270.5 80.0h0L477.0 310.0M890.0 233.3h0\""));
}

CATCH_TEST_CASE("numbers that are none or huge never reach the training chart") {
  TrainingRun run = sample_run("sparse");
  const std::vector<double> bad{std::nan(""), INFINITY, -INFINITY, std::numeric_limits<double>::max()};
  for (size_t i = 0; i < bad.size(); ++i) {
    run.points[i].loss = bad[i];
    run.points[i].learning_rate = bad[i];
  }
  run.epochs[0].score->f1 = std::nan("");
  for (const std::string& svg : {training_chart({run}), training_plot({run})}) {
    CATCH_CHECK_THAT(svg, !Contains("nan") && !Contains("inf") && !Contains("e+"));
    CATCH_CHECK_THAT(svg, Contains("F1 after each epoch") && !Contains(">Loss</text>"));
  }
  run.epochs.clear();
  CATCH_CHECK(training_chart({run}).empty());
  CATCH_CHECK(training_chart({}).empty());
  CATCH_CHECK(training_chart({TrainingRun{}}).empty());
}

CATCH_TEST_CASE("a training of one step has a chart") {
  TrainingRun run = sample_run("sparse");
  run.points.resize(1);
  run.points[0].step = 1;
  run.epochs.clear();
  CATCH_CHECK_THAT(training_chart({run}), Contains("d=\"M890.0 177.0h0\"") && !Contains("nan"));
  CATCH_CHECK(count(training_chart({run}), ">0</text>") == 2);  // step and learning rate
}

CATCH_TEST_CASE("long curves are thinned and smoothed") {
  const TrainingRun run = long_run(5000);
  const Curve curve = thinned(curve_of(run, &TrainingPoint::loss));
  CATCH_CHECK(curve.size() == 400);
  CATCH_CHECK(curve.back().first == 5000);
  CATCH_CHECK(smoothed(curve_of(long_run(100), &TrainingPoint::loss))[50].second == Approx(2).margin(0.21));
  const std::string svg = training_chart({run});
  CATCH_CHECK(count(svg, "class=\"curve raw run0\"") == 1);
  CATCH_CHECK(svg.size() < 40'000);
  CATCH_CHECK_THAT(training_chart({sample_run("sparse")}), !Contains("raw"));
}

CATCH_TEST_CASE("a moving mean starts where its curve does, ends with a mean, and keeps the gaps") {
  Curve curve = curve_of(long_run(200), &TrainingPoint::loss);
  curve[100].second = std::nan("");
  const Curve smooth = smoothed(curve);
  CATCH_CHECK(smooth.front() == curve.front());
  CATCH_CHECK(smooth.back().second == Approx(2));  // of the last 6 points
  CATCH_CHECK(std::isnan(smooth[100].second));
  CATCH_CHECK(std::isfinite(smooth[99].second));
  const Curve brief = curve_of(long_run(59), &TrainingPoint::loss);
  CATCH_CHECK(smoothed(brief) == brief);
}

CATCH_TEST_CASE("the training chart has a description, and hostile names are text in it") {
  const std::string svg = training_chart(hostile_report().training);
  CATCH_CHECK_THAT(svg, Contains("role=\"img\" aria-labelledby=\"training-title training-desc\""));
  CATCH_CHECK_THAT(svg, Contains("<desc id=\"training-desc\">&lt;b&gt;{{name}}"));
  for (const char* banned : {"<b>", "<script", "<img", "\x1b", "\xff"})
    CATCH_CHECK_THAT(svg, !Contains(banned));
}

CATCH_TEST_CASE("the plot is a file of its own with style and background") {
  const std::string svg = training_plot(two_runs());
  CATCH_CHECK_THAT(svg, StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\""));
  CATCH_CHECK_THAT(svg, Contains("<style>") && Contains("class=\"page\"/>") && EndsWith("</svg>\n"));
  CATCH_CHECK(count(svg, "<path ") == 6);
  CATCH_CHECK_THAT(svg, !Contains("var(--"));
  CATCH_CHECK_THAT(training_plot({}), StartsWith("<svg ") && EndsWith("</svg>\n"));
}

}  // namespace
}  // namespace prune2to4
