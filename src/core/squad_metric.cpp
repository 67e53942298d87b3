// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/squad_metric.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/unicode_text.h"

namespace prune2to4 {
namespace {

// string.punctuation: what is ASCII, printable, and neither alphanumeric nor the blank.
bool is_punctuation(char32_t c) { return c > U' ' && c < 0x7F && (c == U'_' || !is_word(c)); }

template <typename Text>
bool equals(const Text& text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](auto a, char b) { return static_cast<char32_t>(a) == static_cast<char32_t>(b); });
}

void append(std::string& text, std::string_view run) { text += run; }

void append(std::string& text, std::u32string_view run) {
  for (const char32_t c : run) append_utf8(text, c);
}

// `text`: lower-case, as ASCII or as code points. All of an article's characters are word characters, so
// \b(a|an|the)\b matches just the longest runs of these that are an article.
template <typename Char>
std::string normal_form(std::basic_string<Char> text) {
  const auto code = [](Char c) { return static_cast<char32_t>(c); };
  std::erase_if(text, [&](Char c) { return is_punctuation(code(c)); });
  const std::basic_string_view<Char> all = text;
  std::string form;
  form.reserve(all.size());
  bool apart = false;  // something that becomes a space came after what `form` holds
  for (size_t begin = 0; begin < all.size();) {
    if (is_space(code(all[begin]))) {
      apart = true;
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < all.size() && is_word(code(all[end]))) ++end;
    const auto run = all.substr(begin, std::max<size_t>(end - begin, 1));
    begin += run.size();
    if (equals(run, "a") || equals(run, "an") || equals(run, "the")) {
      apart = true;
      continue;
    }
    if (apart && !form.empty()) form += ' ';
    apart = false;
    append(form, run);
  }
  return form;
}

// The words of a normal form, sorted.
std::vector<std::string_view> sorted_words(std::string_view form) {
  std::vector<std::string_view> words;
  while (!form.empty()) {
    const size_t length = std::min(form.find(' '), form.size());
    words.push_back(form.substr(0, length));
    form.remove_prefix(std::min(length + 1, form.size()));
  }
  std::sort(words.begin(), words.end());
  return words;
}

// Of two sorted lists, with multiplicities: the sum of Counter(a) & Counter(b).
int64_t count_common(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  int64_t count = 0;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    const int order = i->compare(*j);
    if (order == 0) ++count;
    if (order <= 0) ++i;
    if (order >= 0) ++j;
  }
  return count;
}

struct NormalText {
  explicit NormalText(std::string_view text) : form(normalize_answer(text)), words(sorted_words(form)) {}
  NormalText(const NormalText&) = delete;  // `words` look into `form`
  NormalText& operator=(const NormalText&) = delete;

  std::string form;
  std::vector<std::string_view> words;
};

double f1_of(const NormalText& prediction, const NormalText& answer, SquadVersion version) {
  if (version == SquadVersion::k20 && (prediction.words.empty() || answer.words.empty())) {
    return prediction.form == answer.form ? 1.0 : 0.0;
  }
  const int64_t common = count_common(prediction.words, answer.words);
  if (common == 0) return 0;  // with version 1.1 even if both are empty
  const double precision = static_cast<double>(common) / static_cast<double>(prediction.words.size());
  const double recall = static_cast<double>(common) / static_cast<double>(answer.words.size());
  return 2 * precision * recall / (precision + recall);
}

AnswerScore better(const AnswerScore& a, const AnswerScore& b) {
  return {std::max(a.exact_match, b.exact_match), std::max(a.f1, b.f1)};
}

AnswerScore score_one(const NormalText& prediction, const NormalText& answer, SquadVersion version) {
  return {prediction.form == answer.form ? 1.0 : 0.0, f1_of(prediction, answer, version)};
}

// Sums until finish() makes them means in per cent.
void add(MeanScore& mean, const AnswerScore& score) {
  ++mean.questions;
  mean.exact_match += score.exact_match;
  mean.f1 += score.f1;
}

void finish(MeanScore& mean) {
  if (mean.questions == 0) return;
  mean.exact_match = 100.0 * mean.exact_match / static_cast<double>(mean.questions);
  mean.f1 = 100.0 * mean.f1 / static_cast<double>(mean.questions);
}

}  // namespace

std::string normalize_answer(std::string_view text) {
  if (!is_ascii(text)) return normal_form(to_lower(decode_utf8(text)));
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return normal_form(std::move(lower));
}

AnswerScore score_answer(std::string_view prediction, std::span<const std::string_view> answers,
                         SquadVersion version) {
  const NormalText predicted(prediction);
  AnswerScore best;
  bool any = false;
  for (const std::string_view text : answers) {
    const NormalText answer(text);
    if (version == SquadVersion::k20 && answer.form.empty()) continue;
    best = better(best, score_one(predicted, answer, version));
    any = true;
  }
  if (version == SquadVersion::k20 && !any) best = score_one(predicted, NormalText(""), version);
  return best;
}

SquadScore score_predictions(std::span<const SquadExample> examples, std::span<const std::string> predictions,
                             SquadVersion version, std::vector<AnswerScore>& scores) {
  if (predictions.size() != examples.size()) {
    throw std::invalid_argument("each example needs one prediction");
  }
  scores.clear();
  scores.reserve(examples.size());
  MeanScore all;
  MeanScore has_answer;
  MeanScore no_answer;
  for (size_t i = 0; i < examples.size(); ++i) {
    const AnswerScore score = score_answer(predictions[i], examples[i].answers, version);
    scores.push_back(score);
    add(all, score);
    // evaluate-v2.0.py looks at the list of answers before it drops the empty ones.
    add(examples[i].answers.empty() ? no_answer : has_answer, score);
  }
  finish(all);
  finish(has_answer);
  finish(no_answer);
  SquadScore result{.all = all, .has_answer = {}, .no_answer = {}};
  if (version == SquadVersion::k20 && has_answer.questions > 0) result.has_answer = has_answer;
  if (version == SquadVersion::k20 && no_answer.questions > 0) result.no_answer = no_answer;
  return result;
}

}  // namespace prune2to4
