// SPDX-License-Identifier: Apache-2.0
// The metric as a filter, for check_metric.py.
//
//   metric_driver normalize   records of a 32-bit little-endian length and as many bytes; for each, its
//   normal
//                             form (which has no line end) and a newline
//   metric_driver score       lines {"version": "1.1" or "2.0", "answers": [[text, ...], ...], "predictions":
//                             [text, ...]}; for each, a line {"all": MEAN, "has_answer": MEAN or null,
//                             "no_answer": MEAN or null, "scores": [[em, f1], ...]}, MEAN [questions, em, f1]
#include <cstdint>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/squad_metric.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

void normalize_records(std::istream& in, std::ostream& out) {
  std::string text;
  unsigned char head[4];
  while (in.read(reinterpret_cast<char*>(head), sizeof head)) {
    const uint32_t length =
        head[0] | uint32_t{head[1]} << 8U | uint32_t{head[2]} << 16U | uint32_t{head[3]} << 24U;
    text.resize(length);
    if (!in.read(text.data(), static_cast<std::streamsize>(length))) {
      throw std::runtime_error("the last record is cut off");
    }
    out << normalize_answer(text) << '\n';
  }
  if (in.gcount() != 0) throw std::runtime_error("the last record's length is cut off");
}

Json mean(const MeanScore& score) { return {score.questions, score.exact_match, score.f1}; }

Json mean(const std::optional<MeanScore>& score) { return score ? mean(*score) : Json(); }

Json score_set(const Json& set) {
  const auto texts = set.at("answers").get<std::vector<std::vector<std::string>>>();
  const auto predictions = set.at("predictions").get<std::vector<std::string>>();
  std::vector<std::vector<std::string_view>> answers;
  for (const auto& of_one : texts) answers.emplace_back(of_one.begin(), of_one.end());
  std::vector<SquadExample> examples(answers.size());
  for (size_t i = 0; i < answers.size(); ++i) examples[i].answers = answers[i];
  const SquadVersion version = set.at("version") == "2.0" ? SquadVersion::k20 : SquadVersion::k11;

  std::vector<AnswerScore> scores;
  const SquadScore score = score_predictions(examples, predictions, version, scores);
  Json pairs = Json::array();
  for (const AnswerScore& one : scores) pairs.push_back({one.exact_match, one.f1});
  return {{"all", mean(score.all)},
          {"has_answer", mean(score.has_answer)},
          {"no_answer", mean(score.no_answer)},
          {"scores", pairs}};
}

void score_lines(std::istream& in, std::ostream& out) {
  for (std::string line; std::getline(in, line);) out << score_set(Json::parse(line)) << '\n';
}

int run(const std::string& mode) {
  std::ios::sync_with_stdio(false);
  if (mode == "normalize") {
    normalize_records(std::cin, std::cout);
  } else if (mode == "score") {
    score_lines(std::cin, std::cout);
  } else {
    throw std::runtime_error("usage: metric_driver normalize|score");
  }
  std::cout.flush();
  return std::cout ? 0 : 1;
}

}  // namespace
}  // namespace prune2to4

int main(int argc, char** argv) {
  try {
    return prune2to4::run(argc == 2 ? argv[1] : "");
  } catch (const std::exception& error) {
    std::cerr << "[metric_driver] " << error.what() << '\n';
    return 1;
  }
}
