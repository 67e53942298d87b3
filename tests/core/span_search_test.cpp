// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/span_search.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <random>

#include "prune2to4/error.h"
#include "squad_file.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

// The windows of small_squad_file(): rows 0 and 1 are of question 0, row 2 of question 1, ...
TokenizedSquad small_squad(const std::string& version = "2.0") {
  const TemporaryFolder folder;
  SquadFile file = small_squad_file();
  file.metadata["squad_version"] = version;
  write_bytes(folder / "squad.safetensors", file.bytes());
  return TokenizedSquad::read(folder / "squad.safetensors");
}

using Logits = std::array<float, 8>;

// 0 everywhere but at one token.
Logits peak(size_t token, float logit) {
  Logits logits{};
  logits[token] = logit;
  return logits;
}

void add(SpanSearch& search, int64_t window, const Logits& start, const Logits& end) {
  search.add(window, start.data(), end.data());
}

Logits random_logits(std::mt19937& random, int levels) {
  Logits logits;
  for (float& logit : logits)
    logit = static_cast<float>(std::uniform_int_distribution(0, levels)(random)) - 2;
  return logits;
}

}  // namespace

CATCH_TEST_CASE("the answer is the span with the highest sum of start and end logit, over all windows") {
  const TokenizedSquad data = small_squad("1.1");
  SpanSearch search(data, {}, 20);
  add(search, 0, peak(3, 5), peak(4, 2));  // "Zoë lives" in row 0: 7
  CATCH_CHECK(search.answer(0) == "Zoë lives");
  add(search, 1, peak(3, 4), peak(4, 4));  // "in Köln" in row 1: 8
  CATCH_CHECK(search.answer(0) == "in Köln");
  CATCH_CHECK(search.spans(0).front().score() == 8);
  CATCH_CHECK(search.spans(0).front().window == 1);
}

CATCH_TEST_CASE("question, special and padding tokens are no answers, whatever their logits") {
  const TokenizedSquad data = small_squad("1.1");
  SpanSearch search(data, {}, 20);
  Logits start{9, 9, 9, 1, 0, 9, 9, 9};
  add(search, 0, start, start);
  CATCH_CHECK(search.answer(0) == "Zoë");
}

CATCH_TEST_CASE("an answer does not end before it starts, and is no longer than allowed") {
  const TokenizedSquad data = small_squad("1.1");
  SpanOptions options;
  options.max_answer_tokens = 2;
  SpanSearch search(data, options, 20);
  add(search, 2, peak(6, 8), peak(3, 9));  // of [3, 7)
  for (const AnswerSpan& span : search.spans(1)) {
    CATCH_CHECK(span.start_token <= span.end_token);
    CATCH_CHECK(span.end_token - span.start_token < 2);
  }
  // 8 + 0 for the last token alone, against 9 + 0 for the first alone.
  CATCH_CHECK(search.answer(1) == "Zoë");
}

CATCH_TEST_CASE("only the n best starts and ends are combined") {
  const TokenizedSquad data = small_squad("1.1");
  SpanOptions options;
  options.n_best = 1;
  SpanSearch search(data, options, 20);
  add(search, 2, peak(5, 3), peak(3, 3));  // the best end is before the best start: nothing is left
  CATCH_CHECK(search.spans(1).empty());
  CATCH_CHECK(search.answer(1).empty());
}

CATCH_TEST_CASE("on equal scores the earlier window, start and end win, whatever order windows come in") {
  const TokenizedSquad data = small_squad("1.1");
  SpanSearch forward(data, {}, 20);
  add(forward, 0, {}, {});
  add(forward, 1, {}, {});
  SpanSearch backward(data, {}, 20);
  add(backward, 1, {}, {});
  add(backward, 0, {}, {});
  CATCH_CHECK(forward.answer(0) == "Zoë");
  CATCH_CHECK(backward.answer(0) == "Zoë");
}

CATCH_TEST_CASE("without an answer the null score decides, and the threshold moves the border") {
  const TokenizedSquad data = small_squad("2.0");
  Logits start = peak(3, 2);
  start[0] = 1.5F;
  Logits end = peak(3, 2);
  end[0] = 3;
  const auto answer_at = [&](double threshold, const TokenizedSquad& squad) {
    SpanOptions options;
    options.null_threshold = threshold;
    SpanSearch search(squad, options, 1);
    add(search, 3, start, end);  // null 4.5, best 4
    return search.answer(2);
  };
  CATCH_CHECK(answer_at(0, data).empty());
  CATCH_CHECK(answer_at(0.5, data) == "Tea");
  CATCH_CHECK(answer_at(-100, data).empty());
  CATCH_CHECK(answer_at(0, small_squad("1.1")) == "Tea");
}

CATCH_TEST_CASE("the null score of an example is the lowest over its windows") {
  const TokenizedSquad data = small_squad("2.0");
  SpanSearch search(data, {}, 1);
  add(search, 0, peak(0, 9), peak(0, 9));
  add(search, 1, peak(0, 1), peak(0, 2));
  CATCH_CHECK(search.null_span(0).score() == 3);
  CATCH_CHECK(search.null_span(0).window == 1);
}

CATCH_TEST_CASE("a logit that is no number is refused with its window") {
  const TokenizedSquad data = small_squad();
  SpanSearch search(data, {}, 1);
  try {
    add(search, 2, peak(4, std::numeric_limits<float>::quiet_NaN()), {});
    CATCH_FAIL("accepted");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kModel);
    CATCH_CHECK_THAT(error.what(), Catch::Contains("token 4 of window 2"));
  }
  // Behind the window's end it is padding.
  add(search, 0, peak(7, std::numeric_limits<float>::quiet_NaN()), {});
}

CATCH_TEST_CASE("searches over parts of the windows are together one over all") {
  const TokenizedSquad data = small_squad("2.0");
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    SpanOptions options;
    options.n_best = static_cast<size_t>(std::uniform_int_distribution(1, 6)(random));
    const size_t kept = std::uniform_int_distribution<size_t>(1, options.n_best)(random);
    SpanSearch whole(data, options, kept);
    std::vector<SpanSearch> parts(3, SpanSearch(data, options, kept));
    for (int64_t window = 0; window < data.windows(); ++window) {
      const Logits start = random_logits(random, 4);
      const Logits end = random_logits(random, 4);
      add(whole, window, start, end);
      add(parts[std::uniform_int_distribution<size_t>(0, 2)(random)], window, start, end);
    }
    const std::array<std::string, 2> found{parts[0].export_found(), parts[2].export_found()};
    for (const std::string& each : found) parts[1].import_found(each);
    CATCH_REQUIRE(parts[1].export_found() == whole.export_found());
  }
}

CATCH_TEST_CASE("what was found in other data is refused") {
  const TokenizedSquad data = small_squad();
  SpanSearch search(data, {}, 1);
  const std::string found = search.export_found();
  std::string other = found;
  other[0] = static_cast<char>(other[0] + 1);
  for (const std::string& bad : {other, found + "x", found.substr(1), std::string()}) {
    CATCH_CHECK_THROWS_WITH(SpanSearch(data, {}, 1).import_found(bad), Catch::Contains("another rank"));
  }
  search.import_found(found);
}

CATCH_TEST_CASE("kept spans are those that an exhaustive search finds, in any order of windows") {
  const TokenizedSquad data = small_squad("1.1");
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    SpanOptions options;
    options.n_best = static_cast<size_t>(std::uniform_int_distribution(1, 6)(random));
    options.max_answer_tokens = std::uniform_int_distribution(1, 4)(random);
    const std::array<Logits, 2> start{random_logits(random, 4), random_logits(random, 4)};
    const std::array<Logits, 2> end{random_logits(random, 4), random_logits(random, 4)};
    // Every allowed pair of both windows of question 0; stable sorts keep the order of the rule for ties.
    std::vector<AnswerSpan> all;
    for (int32_t window = 0; window < 2; ++window) {
      const auto offsets = data.offsets(window);
      const auto at = static_cast<size_t>(window);
      const auto best = [&](const Logits& logits) {
        std::vector<int32_t> tokens;
        for (int32_t token = 3; token < data.length(window) - 1; ++token) tokens.push_back(token);
        std::stable_sort(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) {
          return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
        });
        tokens.resize(std::min(tokens.size(), options.n_best));
        std::sort(tokens.begin(), tokens.end());
        return tokens;
      };
      for (const int32_t s : best(start[at])) {
        for (const int32_t e : best(end[at])) {
          if (e < s || e - s >= options.max_answer_tokens) continue;
          all.push_back({start[at][static_cast<size_t>(s)], end[at][static_cast<size_t>(e)], window, s, e,
                         offsets[static_cast<size_t>(s) * 2], offsets[static_cast<size_t>(e) * 2 + 1]});
        }
      }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.score() > b.score(); });
    all.resize(std::min(all.size(), options.n_best));

    SpanSearch search(data, options, options.n_best);
    const int64_t first = round % 2;
    for (const int64_t window : {first, 1 - first}) {
      search.add(window, start[static_cast<size_t>(window)].data(), end[static_cast<size_t>(window)].data());
    }
    const auto& found = search.spans(0);
    CATCH_REQUIRE(found.size() == all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      CATCH_REQUIRE(found[i].window == all[i].window);
      CATCH_REQUIRE(found[i].start_token == all[i].start_token);
      CATCH_REQUIRE(found[i].end_token == all[i].end_token);
    }
  }
}

}  // namespace prune2to4
