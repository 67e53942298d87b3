// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/evaluation.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "sample_evaluation.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

CATCH_TEST_CASE("one model's sentence names F1, EM, questions, windows, file and version") {
  CATCH_CHECK(
      evaluation_sentence(sample_evaluation_v2()) ==
      "75.25 F1 and 70.50 EM on 11,873 questions (12,232 windows) of dev2.safetensors, scored as SQuAD "
      "2.0.");
}

CATCH_TEST_CASE("several models' sentence names each with its F1") {
  CATCH_CHECK_THAT(evaluation_sentence(sample_evaluation()),
                   StartsWith("F1 74.66 (dense), 35.01 (masked), 35.02 (packed) on 4,000 questions "));
}

CATCH_TEST_CASE("a limited evaluation says that only the first questions were asked") {
  Evaluation evaluation = sample_evaluation_v2();
  evaluation.data.limited = true;
  evaluation.data.questions = 100;
  evaluation.data.windows = 1;
  CATCH_CHECK_THAT(evaluation_sentence(evaluation),
                   Contains(" on the first 100 questions only (1 window) of dev2.safetensors"));
  evaluation.data.questions = 1;
  CATCH_CHECK_THAT(evaluation_sentence(evaluation), Contains(" on the first question only (1 window) of "));
}

CATCH_TEST_CASE("the table has a row a model with two decimals") {
  CATCH_CHECK(render(evaluation_table(sample_evaluation(), Format::kText), Format::kText) ==
              "model      F1     EM    time  questions/s\n"
              "dense   74.66  62.10  50.0 s         80.0\n"
              "masked  35.01  25.00  50.0 s         80.0\n"
              "packed  35.02  25.03  50.0 s         80.0\n");
}

CATCH_TEST_CASE("the table of SQuAD 2.0 tells questions with and without an answer apart") {
  Evaluation evaluation = sample_evaluation_v2();
  CATCH_CHECK(render(evaluation_table(evaluation, Format::kText), Format::kText) ==
              "model       F1     EM  HasAns F1  HasAns EM  NoAns F1  NoAns EM    time  questions/s\n"
              "bert.pt  75.25  70.50      75.00      65.50     75.50     75.50  50.0 s          237\n");
  evaluation.models[0].score.no_answer.reset();
  CATCH_CHECK(evaluation_table(evaluation, Format::kText).rows[0][5] == "-");
  CATCH_CHECK(evaluation_table(evaluation, Format::kText).rows[0][6] == "-");
}

CATCH_TEST_CASE("CSV holds raw numbers") {
  Evaluation evaluation = sample_evaluation_v2();
  evaluation.models[0].seconds = 0.5;
  evaluation.models[0].score.no_answer.reset();
  evaluation.data.limited = true;
  const std::string hash(64, 'd');
  CATCH_CHECK(render(evaluation_table(evaluation, Format::kCsv), Format::kCsv) ==
              "model,sha256,data,squad_version,limited,windows,questions,exact_match,f1,has_answer_questions,"
              "has_answer_exact_match,has_answer_f1,no_answer_questions,no_answer_exact_match,no_answer_f1,"
              "seconds,questions_per_second\n"
              "bert.pt,,dev2.safetensors,2.0,true,12232,11873,70.5,75.25,5928,65.5,75,,,,0.5,23746\n");
  evaluation.models[0].score.all.f1 = 2.0 / 3;
  const std::string f1 = evaluation_table(evaluation, Format::kCsv).rows[0][8];
  CATCH_CHECK(std::stod(f1) == 2.0 / 3);
}

CATCH_TEST_CASE("what is no number is a dash for people and an empty field in CSV") {
  Evaluation evaluation = sample_evaluation();
  evaluation.models[0] = sample_score("dense", std::nan(""), INFINITY);
  evaluation.models[0].seconds = 0;
  evaluation.models[1].seconds = std::nan("");
  const Table table = evaluation_table(evaluation, Format::kText);
  CATCH_CHECK(table.rows[0] == std::vector<std::string>{"dense", "-", "-", "0.00 s", "-"});
  CATCH_CHECK(table.rows[1][3] == "-");
  const Table raw = evaluation_table(evaluation, Format::kCsv);
  CATCH_CHECK(raw.rows[0][7].empty());
  CATCH_CHECK(raw.rows[0][8].empty());
  CATCH_CHECK(raw.rows[0][10].empty());
}

}  // namespace
}  // namespace prune2to4
