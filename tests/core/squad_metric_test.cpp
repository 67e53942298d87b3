// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/squad_metric.h"

#include <catch2/catch.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace prune2to4 {
namespace {

using Answers = std::vector<std::string_view>;

constexpr SquadVersion k11 = SquadVersion::k11;
constexpr SquadVersion k20 = SquadVersion::k20;

void check_scores(const AnswerScore& score, double exact_match, double f1) {
  CATCH_CHECK(score.exact_match == exact_match);
  CATCH_CHECK(score.f1 == Approx(f1).epsilon(1e-12));
}

CATCH_TEST_CASE("case, punctuation, articles and spacing do not count", "[squad_metric]") {
  CATCH_CHECK(normalize_answer("  The Quick,\tbrown\nFOX! ") == "quick brown fox");
  CATCH_CHECK(normalize_answer("an apple a day, the end") == "apple day end");
  CATCH_CHECK(normalize_answer("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") == "");
  CATCH_CHECK(normalize_answer("The a AN").empty());
  CATCH_CHECK(normalize_answer("").empty());
  CATCH_CHECK(normalize_answer(std::string_view("x\0\x1F\x7Fy", 5)) == std::string_view("x\0 \x7Fy", 5));
}

CATCH_TEST_CASE("punctuation goes before articles are looked for", "[squad_metric]") {
  CATCH_CHECK(normalize_answer("U.S.A.") == "usa");
  CATCH_CHECK(normalize_answer("the-end t.h.e a_n") == "theend");
  CATCH_CHECK(normalize_answer("'a' \"the\"x") == "thex");
}

CATCH_TEST_CASE("an article is a whole word of Unicode", "[squad_metric]") {
  CATCH_CHECK(normalize_answer("the\u00E9a banana aa 1a") == "the\u00E9a banana aa 1a");
  CATCH_CHECK(normalize_answer("a\u6F22 \u00BDan") == "a\u6F22 \u00BDan");
  CATCH_CHECK(normalize_answer("the\u0301 \u2014a\u2014") == "\u0301 \u2014 \u2014");  // no word characters
}

CATCH_TEST_CASE("only ASCII punctuation goes, all of Unicode's white space", "[squad_metric]") {
  CATCH_CHECK(normalize_answer("\u201Cx\u201D\u00A0\u3000y\u2028\u0085z\u200Bw") ==
              "\u201Cx\u201D y z\u200Bw");
}

CATCH_TEST_CASE("lower case is Python's", "[squad_metric]") {
  CATCH_CHECK(normalize_answer("\u0130ZM\u0130R") == "i\u0307zmi\u0307r");
  CATCH_CHECK(normalize_answer("\u039F\u0394\u039F\u03A3, \u03A3") == "\u03BF\u03B4\u03BF\u03C2 \u03C3");
  CATCH_CHECK(normalize_answer("A\u03A3.B") == "a\u03C3b");  // the full stop is still there when it matters
}

CATCH_TEST_CASE("bytes that are not UTF-8 are replacement characters", "[squad_metric]") {
  CATCH_CHECK(normalize_answer("B\xFF the \xE2\x82") == "b\uFFFD \uFFFD");
}

CATCH_TEST_CASE("F1 counts common words with their multiplicities", "[squad_metric]") {
  for (const SquadVersion version : {k11, k20}) {
    check_scores(score_answer("red red blue", Answers{"red red red green"}, version), 0, 4.0 / 7);
    check_scores(score_answer("blue red", Answers{"red blue"}, version), 0, 1);
    check_scores(score_answer("The red!", Answers{"red"}, version), 1, 1);
    check_scores(score_answer("red", Answers{"reds"}, version), 0, 0);
  }
}

CATCH_TEST_CASE("the best answer counts, for each measure by itself", "[squad_metric]") {
  for (const SquadVersion version : {k11, k20}) {
    check_scores(score_answer("b c", Answers{"x", "a b c d e f", "b c d", "y"}, version), 0, 0.8);
    check_scores(score_answer("b c", Answers{"b", "b c", "b c"}, version), 1, 1);
  }
}

CATCH_TEST_CASE("empty normal forms match with F1 0 in version 1.1 and 1 in 2.0", "[squad_metric]") {
  check_scores(score_answer("the", Answers{"..."}, k11), 1, 0);
  check_scores(score_answer("", Answers{""}, k11), 1, 0);
  check_scores(score_answer("the", Answers{"..."}, k20), 1, 1);
  check_scores(score_answer("", Answers{"cat"}, k11), 0, 0);
  check_scores(score_answer("", Answers{"cat"}, k20), 0, 0);
  check_scores(score_answer("cat", Answers{"the"}, k20), 0, 0);
}

CATCH_TEST_CASE("version 2.0 leaves out answers with an empty normal form", "[squad_metric]") {
  check_scores(score_answer("", Answers{"the", "cat"}, k20), 0, 0);
  check_scores(score_answer("", Answers{"the", "cat"}, k11), 1, 0);
}

CATCH_TEST_CASE("without answers the empty prediction is right in version 2.0 only", "[squad_metric]") {
  check_scores(score_answer("A.", {}, k20), 1, 1);
  check_scores(score_answer("cat", {}, k20), 0, 0);
  check_scores(score_answer("", {}, k11), 0, 0);
}

// Four questions, of which the last two have no answer.
struct Set {
  Answers cats = {"the cat", "black cat"};
  Answers empty = {"the"};
  std::vector<SquadExample> examples = {
      {"1", "", "", cats}, {"2", "", "", empty}, {"3", "", "", {}}, {"4", "", "", {}}};
  std::vector<std::string> predictions = {"cat sat", "", "", "dog"};
};

CATCH_TEST_CASE("version 2.0 splits the means by whether a question has answers", "[squad_metric]") {
  const Set set;
  std::vector<AnswerScore> each(7);
  const SquadScore score = score_predictions(set.examples, set.predictions, k20, each);
  CATCH_REQUIRE(each.size() == 4);
  check_scores(each[0], 0, 2.0 / 3);
  check_scores(each[1], 1, 1);
  check_scores(each[2], 1, 1);
  check_scores(each[3], 0, 0);
  CATCH_CHECK(score.all.questions == 4);
  CATCH_CHECK(score.all.exact_match == Approx(50));
  CATCH_CHECK(score.all.f1 == Approx(100.0 * 8 / 12));
  CATCH_REQUIRE(score.has_answer);
  CATCH_CHECK(score.has_answer->questions == 2);  // with an answer that is empty when normalised, too
  CATCH_CHECK(score.has_answer->exact_match == Approx(50));
  CATCH_CHECK(score.has_answer->f1 == Approx(100.0 * 5 / 6));
  CATCH_REQUIRE(score.no_answer);
  CATCH_CHECK(score.no_answer->questions == 2);
  CATCH_CHECK(score.no_answer->f1 == Approx(50));
}

CATCH_TEST_CASE("version 1.1 has one mean, and 2.0 none for a kind that does not occur", "[squad_metric]") {
  const Set set;
  std::vector<AnswerScore> each;
  const SquadScore old = score_predictions(set.examples, set.predictions, k11, each);
  CATCH_CHECK(old.all.questions == 4);
  CATCH_CHECK(old.all.exact_match == Approx(25));
  CATCH_CHECK(old.all.f1 == Approx(100.0 / 6));
  CATCH_CHECK_FALSE(old.has_answer);
  CATCH_CHECK_FALSE(old.no_answer);

  const std::span all(set.examples);
  const SquadScore answered = score_predictions(all.first(1), std::span(set.predictions).first(1), k20, each);
  CATCH_CHECK(answered.has_answer);
  CATCH_CHECK_FALSE(answered.no_answer);
}

CATCH_TEST_CASE("no questions score 0, and each question needs a prediction", "[squad_metric]") {
  const Set set;
  std::vector<AnswerScore> each(1);
  const SquadScore none = score_predictions({}, {}, k20, each);
  CATCH_CHECK(each.empty());
  CATCH_CHECK(none.all.questions == 0);
  CATCH_CHECK(none.all.f1 == 0);
  CATCH_CHECK_FALSE(none.has_answer);
  CATCH_CHECK_THROWS_AS(score_predictions(set.examples, {}, k20, each), std::invalid_argument);
}

}  // namespace
}  // namespace prune2to4
