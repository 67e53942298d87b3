// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/evaluate.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/squad_file.h"
#include "core/temporary_folder.h"
#include "model/small_models.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

// token_module's logits are the token ids, and those are higher the later a token is in its context: the
// answers are the contexts' last tokens.
TokenizedSquad small_squad(const std::string& version = "1.1") {
  const TemporaryFolder folder;
  SquadFile file = small_squad_file();
  file.metadata["squad_version"] = version;
  write_bytes(folder / "squad.safetensors", file.bytes());
  return TokenizedSquad::read(folder / "squad.safetensors");
}

const std::vector<std::string> kAnswers{".", "Köln", "hot", "hot"};

std::vector<ModelAnswers> ask(torch::jit::Module model, const Questions& questions,
                              const EvaluateOptions& options = {}) {
  Runner runner("model.pt", std::move(model), at::kCPU);
  return evaluate({&runner}, questions, options);
}

torch::jit::Module nan_module() {
  torch::jit::Module module("Module");
  module.define("def forward(self, input_ids):\n  x = input_ids.float() / 0.0 * 0.0\n  return (x, x)\n");
  return module;
}

Json written(const std::function<void(AtomicFile&)>& write) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "out.json");
  write(file);
  file.commit();
  return Json::parse(read_text_file(folder / "out.json", 1 << 20));
}

}  // namespace

CATCH_TEST_CASE("a model is asked every question, whatever the batches") {
  const TokenizedSquad data = small_squad();
  const Questions questions = choose_questions(data, 0);
  CATCH_CHECK(questions.examples == 4);
  CATCH_CHECK(questions.windows == 5);
  for (const BatchLimits limits : {BatchLimits{0, 0}, {1, 0}, {0, 2}, {16, 1}}) {
    const auto answers = ask(token_module(), questions, {{}, limits, false});
    CATCH_REQUIRE(answers.size() == 1);
    CATCH_CHECK(answers[0].texts == kAnswers);
    CATCH_CHECK(answers[0].score.all.questions == 4);
    CATCH_CHECK(answers[0].score.all.exact_match == 0);
  }
}

CATCH_TEST_CASE("a model whose trace wired batch or length in gives the same answers") {
  const TokenizedSquad data = small_squad();
  const Questions questions = choose_questions(data, 0);
  for (const char* shape : {"input_ids.view([-1, 16])", "input_ids.view([2, 16])"}) {
    CATCH_CHECK(ask(token_module(shape), questions)[0].texts == kAnswers);
  }
}

CATCH_TEST_CASE("of several models each has its own answers, and they are compared") {
  const TokenizedSquad data = small_squad();
  const Questions questions = choose_questions(data, 0);
  Runner first("first.pt", token_module(), at::kCPU);
  Runner second("second.pt", token_module("49 - input_ids"), at::kCPU);  // the earliest token
  const auto answers = evaluate({&first, &second}, questions, {});
  CATCH_REQUIRE(answers.size() == 2);
  CATCH_CHECK(answers[0].texts == kAnswers);
  CATCH_CHECK(answers[1].texts == std::vector<std::string>{"Zoë", "Zoë", "Tea", "Tea"});
  const AnswerComparison comparison = compare_answers(questions, answers[0], answers[1], 2);
  CATCH_CHECK(comparison.questions == 4);
  CATCH_CHECK(comparison.changed == 4);
  CATCH_REQUIRE(comparison.most_changed.size() == 2);
  CATCH_CHECK(comparison.most_changed[0].id == "q1");
  CATCH_CHECK(comparison.most_changed[0].first == "Köln");
  CATCH_CHECK(comparison.most_changed[0].second == "Zoë");
  CATCH_CHECK(comparison.most_changed[0].second_f1 == 1);
  CATCH_CHECK(comparison.most_changed[0].answers == std::vector<std::string>{"Zoë"});
  CATCH_CHECK(comparison.most_changed[1].id == "q3");
}

CATCH_TEST_CASE("a limit asks the first questions with all of their windows") {
  const TokenizedSquad data = small_squad();
  const Questions questions = choose_questions(data, 1);
  CATCH_CHECK(questions.examples == 1);
  CATCH_CHECK(questions.windows == 2);
  const auto answers = ask(token_module(), questions);
  CATCH_CHECK(answers[0].texts == std::vector<std::string>{"."});
  CATCH_CHECK(choose_questions(data, 99).examples == 4);
}

CATCH_TEST_CASE("data that the model cannot look up is refused before the model runs") {
  const TokenizedSquad data = small_squad();
  const Questions questions = choose_questions(data, 0);
  const auto message = [&](torch::jit::Module model) {
    try {
      ask(std::move(model), questions);
      return std::string("accepted");
    } catch (const Error& error) {
      CATCH_CHECK(error.status() == ExitStatus::kData);
      return std::string(error.what());
    }
  };
  CATCH_CHECK_THAT(message(token_module("input_ids", 7)), Catch::Contains("row 2"));
  CATCH_CHECK_THAT(message(token_module("input_ids.view([-1, 6])")), Catch::Contains("6"));
}

CATCH_TEST_CASE("a failure in the span search comes out of the evaluation") {
  const TokenizedSquad data = small_squad();
  try {
    ask(nan_module(), choose_questions(data, 0), {{}, {1, 0}, false});
    CATCH_FAIL("accepted");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kModel);
    CATCH_CHECK_THAT(error.what(), Catch::Contains("NaN"));
  }
}

CATCH_TEST_CASE("predictions are the official format, by id") {
  const TokenizedSquad data = small_squad();
  const Questions questions = choose_questions(data, 0);
  const auto answers = ask(token_module(), questions);
  const Json json = written([&](AtomicFile& file) { write_predictions(questions, answers[0], file); });
  CATCH_CHECK(json == Json{{"q0", "."}, {"q1", "Köln"}, {"q2", "hot"}, {"q3", "hot"}});
}

CATCH_TEST_CASE("the best answers come with probabilities, of SQuAD 2.0 the empty one among them") {
  for (const std::string version : {"1.1", "2.0"}) {
    const TokenizedSquad data = small_squad(version);
    const Questions questions = choose_questions(data, 0);
    EvaluateOptions options;
    options.keep_n_best = true;
    options.spans.n_best = 3;
    const auto answers = ask(token_module(), questions, options);
    const Json json = written([&](AtomicFile& file) { write_n_best(questions, answers[0], file); });
    CATCH_REQUIRE(json.size() == 4);
    const Json& best = json["q2"];
    double sum = 0;
    int empty = 0;
    for (const Json& entry : best) {
      sum += entry["probability"].get<double>();
      empty += entry["text"] == "";
    }
    CATCH_CHECK(sum == Approx(1));
    CATCH_CHECK(empty == (version == "2.0" ? 1 : 0));
    CATCH_CHECK(best[0]["text"] == "hot");
    CATCH_CHECK(best[0]["start_logit"] == 17);
    CATCH_CHECK(best[0]["end_logit"] == 18);
    // The runner-up's sum is lower by 3: is hot.
    CATCH_CHECK(best[1]["probability"].get<double>() / best[0]["probability"].get<double>() ==
                Approx(std::exp(-3)));
  }
}

}  // namespace prune2to4
