// SPDX-License-Identifier: Apache-2.0
#include "core/report/training_section.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/report/view.h"
#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

CATCH_TEST_CASE("a sentence says what a training run did") {
  CATCH_CHECK(
      training_sentence(sample_run("sparse")) ==
      "sparse: 200 steps of 32 windows in 8.00 s (800 windows/s), 1 skipped, loss from 4.000 to 1.000; "
      "engine: interpreter; teacher: the dense model itself; dropout at 25 places; peak memory 3.00 MiB; "
      "3,200 windows of train.safetensors.");
  TrainingRun run = sample_run("dense");
  run.ranks = 4;
  run.resumed_at = 1200;
  run.restarts = 1;
  run.teacher.clear();
  CATCH_CHECK_THAT(
      training_sentence(run),
      Contains("; 4 ranks; resumed at step 1,200; diverged and went back to a checkpoint with half "
               "the rate; engine: interpreter; dropout"));
  CATCH_CHECK(training_sentence(TrainingRun{}) == ": 0 steps in 0.00 s (0.0 windows/s), 0 skipped.");
}

CATCH_TEST_CASE("losses that are none do not count as the first or the last") {
  TrainingRun run = sample_run("sparse");
  run.points[0].loss = std::nan("");
  run.points[3].loss = INFINITY;
  CATCH_CHECK_THAT(training_sentence(run), Contains("loss from 2.000 to 1.500;"));
  for (auto& point : run.points) point.loss = std::nan("");
  CATCH_CHECK_THAT(training_sentence(run), !Contains("loss") && !Contains("nan"));
}

CATCH_TEST_CASE("the epochs are a table with the columns that are filled") {
  const std::string text = training_section({sample_run("sparse")}, Format::kText);
  CATCH_CHECK_THAT(text, Contains("\n\nepoch  step   loss     F1     EM  zeros    time\n") &&
                             Contains("\n    2   200  1.250  72.12  61.00  50.0%  3.75 s\n"));
  TrainingRun plain = sample_run("dense");
  for (auto& epoch : plain.epochs) epoch = {epoch.epoch, epoch.step, epoch.loss, epoch.seconds, {}, 0};
  CATCH_CHECK_THAT(training_section({plain}, Format::kText), Contains("\n\nepoch  step   loss    time\n"));
  plain.epochs.clear();
  CATCH_CHECK_THAT(training_section({plain}, Format::kText), !Contains("epoch"));
}

CATCH_TEST_CASE("several runs share one table and tell a recipe once") {
  std::vector<TrainingRun> runs = trained_report().training;
  const std::string text = training_section(runs, Format::kMarkdown);
  CATCH_CHECK_THAT(text, StartsWith("- sparse: 200 steps") && Contains("\n- dense + same budget: 200 steps"));
  CATCH_CHECK_THAT(
      text, Contains("| dense + same budget |     2 |  200 | 1.250 | 72.12 | 61.00 |  0.0% | 3.75 s |"));
  CATCH_CHECK_THAT(
      text, Contains("- Recipe of sparse: epochs 2, batch_size 16, accumulate 2, learning_rate 0.001."));
  CATCH_CHECK_THAT(text, !Contains("Recipe of dense"));
  runs[1].recipe[0].second = "3";
  CATCH_CHECK_THAT(training_section(runs, Format::kMarkdown),
                   Contains("Recipe of dense + same budget: epochs 3"));
  CATCH_CHECK_THAT(training_section(runs, Format::kText), !Contains("Recipe"));
}

CATCH_TEST_CASE("a report of prune shows training beside the layers") {
  const Report report = trained_report();
  CATCH_CHECK_FALSE(is_finetune(report));
  CATCH_CHECK(outcome_title(report) == "1 of 3 linear layers packed to 2:4");
  const std::string markdown = report_markdown(report);
  CATCH_CHECK(markdown.find("\n## Training\n") < markdown.find("\n## Evaluation\n"));
  CATCH_CHECK_THAT(markdown, Contains("\n## Layers\n") && Contains("\n## Totals\n"));
  CATCH_CHECK_THAT(report_summary(report, Format::kText), Contains("\nsparse: 200 steps"));
  const std::string html = report_html(report);
  CATCH_CHECK_THAT(html, Contains("<h2>Training</h2>\n<p>sparse: 200 steps") && Contains("<h2>Layers</h2>"));
  CATCH_CHECK_THAT(html, Contains("<td class=\"mono model\">dense + same budget</td><td class=\"n\">2</td>"));
}

CATCH_TEST_CASE("a report of finetune is about the training and not about layers") {
  const Report report = finetune_report();
  CATCH_CHECK(is_finetune(report));
  CATCH_CHECK(outcome_title(report) == "Fine-tuned for 2 epochs");
  CATCH_CHECK(outcome_detail(report) == "The loss went from 4.000 to 1.000; F1 is 72.12 after epoch 2.");
  const std::string text = report_summary(report, Format::kText);
  CATCH_CHECK_THAT(text,
                   StartsWith("Fine-tuned for 2 epochs. The loss went from 4.000 to 1.000; F1 is 72.12 after "
                              "epoch 2.\n\ndense: 200 steps"));
  const std::string markdown = report_markdown(report);
  const std::string html = report_html(report);
  CATCH_CHECK_THAT(markdown, Contains("\n## Files\n") && Contains("model.tuned.pt"));
  CATCH_CHECK_THAT(html, Contains("<h1>Fine-tuned for 2 epochs</h1>") && Contains("model.tuned.pt"));
  for (const auto& view : {text, markdown, html}) {
    for (const char* absent : {"bert.layer.0.weight", "2:4", "linear layers", "Totals", "Zeros and bytes"}) {
      CATCH_CHECK_THAT(view, !Contains(absent));
    }
  }
  CATCH_CHECK_THAT(html, !Contains("class=\"totals\""));
}

CATCH_TEST_CASE("CSV of a fine-tuned model is the table of epochs in raw numbers") {
  Report report = finetune_report();
  report.training[0].epochs[0].score.reset();
  report.training[0].epochs[1].loss = std::nan("");
  CATCH_CHECK(report_summary(report, Format::kCsv) ==
              "run,epoch,step,loss,f1,exact_match,sparsity,seconds\n"
              "dense,1,100,3,,,0,4.25\n"
              "dense,2,200,,72.125,61,0,3.75\n");
  CATCH_CHECK_THAT(report_summary(trained_report(), Format::kCsv), StartsWith("layer,"));
}

CATCH_TEST_CASE("the length of a training is told in epochs where they are known") {
  TrainingRun run = sample_run("dense");
  const auto planned = [&run](const char* epochs) {
    run.recipe[0].second = epochs;
    return training_length(run);
  };
  CATCH_CHECK(planned("2") == "2 epochs");
  CATCH_CHECK(planned("1") == "1 epoch");
  CATCH_CHECK(planned("0.5") == "0.5 epochs");
  run.recipe.emplace_back("max_steps", "200");
  run.points.back().epoch = 1.2504;
  CATCH_CHECK(training_length(run) == "1.25 epochs");
  run.points.back().epoch = std::nan("");
  CATCH_CHECK(training_length(run) == "200 steps");
  run.points.clear();
  run.steps = 1;
  CATCH_CHECK(training_length(run) == "1 step");
}

CATCH_TEST_CASE("a fine-tuning without points or scores has no detail") {
  Report report = finetune_report();
  report.training[0].points.clear();
  CATCH_CHECK(outcome_detail(report) == "F1 is 72.12 after epoch 2.");
  report.training[0].epochs.clear();
  CATCH_CHECK(outcome_detail(report).empty());
  CATCH_CHECK_THAT(report_summary(report, Format::kText), StartsWith("Fine-tuned for 2 epochs.\n"));
}

CATCH_TEST_CASE("hostile names stay text in the views of training") {
  const Report report = hostile_report();
  const std::string markdown = report_markdown(report);
  CATCH_CHECK_THAT(markdown,
                   Contains("\\<b\\>{{name}}?\\[0m") && !Contains("\n# x") && !Contains(" <script"));
  CATCH_CHECK_THAT(report_html(report), !Contains("</desc><img") && !Contains("<b>"));
}

}  // namespace
}  // namespace prune2to4
