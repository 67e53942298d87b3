// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/span_search.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

// Whether `a` goes before `b`; total, so that the order of arrival does not matter.
bool better(const AnswerSpan& a, const AnswerSpan& b) {
  if (a.score() != b.score()) return a.score() > b.score();
  if (a.window != b.window) return a.window < b.window;
  if (a.start_token != b.start_token) return a.start_token < b.start_token;
  return a.end_token < b.end_token;
}

bool same_text(const AnswerSpan& a, const AnswerSpan& b) { return a.begin == b.begin && a.end == b.end; }

// Puts `span` into `kept`, best first, at most `limit`; of two with the same text the better stays.
void insert(std::vector<AnswerSpan>& kept, const AnswerSpan& span, size_t limit) {
  if (kept.size() == limit && !better(span, kept.back())) return;
  const auto twin = std::find_if(kept.begin(), kept.end(), [&](const auto& k) { return same_text(k, span); });
  if (twin != kept.end()) {
    if (!better(span, *twin)) return;
    kept.erase(twin);
  } else if (kept.size() == limit) {
    kept.pop_back();
  }
  kept.insert(std::upper_bound(kept.begin(), kept.end(), span, better), span);
}

// Of the context's tokens the `count` with the highest logits, the lower token first on a tie.
void top_tokens(std::span<const float> logits, std::span<const int32_t> offsets, size_t count,
                std::vector<int32_t>& tokens) {
  tokens.clear();
  const auto logit = [&](int32_t token) { return logits[static_cast<size_t>(token)]; };
  for (int32_t token = 0; token < static_cast<int32_t>(logits.size()); ++token) {
    if (offsets[static_cast<size_t>(token) * 2] < 0) continue;
    if (tokens.size() == count) {
      if (!(logit(token) > logit(tokens.back()))) continue;
      tokens.pop_back();
    }
    const auto place = std::upper_bound(tokens.begin(), tokens.end(), token,
                                        [&](int32_t a, int32_t b) { return logit(a) > logit(b); });
    tokens.insert(place, token);
  }
}

static_assert(std::is_trivially_copyable_v<AnswerSpan>, "spans travel as their bytes");

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

[[noreturn]] void fail_other_data(const TokenizedSquad& data) {
  throw Error(
      ExitStatus::kData, "ranks",
      data.file() + " is not the file that another rank answers; give all ranks the same data and options");
}

// Takes the first bytes of `found`.
template <typename T>
T take(std::string_view& found, const TokenizedSquad& data) {
  T value;
  if (found.size() < sizeof(T)) fail_other_data(data);
  std::memcpy(&value, found.data(), sizeof(T));
  found.remove_prefix(sizeof(T));
  return value;
}

}  // namespace

SpanSearch::SpanSearch(const TokenizedSquad& data, const SpanOptions& options, size_t kept)
    : data_(data),
      options_(options),
      kept_(std::min(kept, options.n_best)),
      spans_(data.examples().size()),
      null_spans_(data.examples().size()) {
  for (AnswerSpan& null : null_spans_) null.start_logit = std::numeric_limits<float>::infinity();
}

void SpanSearch::add(int64_t window, const float* start_logits, const float* end_logits) {
  const int32_t length = data_.length(window);
  for (int32_t token = 0; token < length; ++token) {
    if (std::isnan(start_logits[token]) || std::isnan(end_logits[token])) {
      throw Error(ExitStatus::kModel, "run",
                  "the model's logits are NaN at token " + std::to_string(token) + " of window " +
                      std::to_string(window) + " of " + data_.file());
    }
  }
  const auto example = static_cast<size_t>(data_.example(window));
  const auto offsets = data_.offsets(window);
  const AnswerSpan null{start_logits[0], end_logits[0], static_cast<int32_t>(window), 0, 0, 0, 0};
  if (better(null_spans_[example], null)) null_spans_[example] = null;

  const auto count = static_cast<size_t>(length);
  top_tokens({start_logits, count}, offsets, options_.n_best, starts_);
  top_tokens({end_logits, count}, offsets, options_.n_best, ends_);
  for (const int32_t start : starts_) {
    for (const int32_t end : ends_) {
      if (end < start || end - start >= options_.max_answer_tokens) continue;
      const int32_t begin_byte = offsets[static_cast<size_t>(start) * 2];
      const int32_t end_byte = offsets[static_cast<size_t>(end) * 2 + 1];
      if (end_byte < begin_byte) continue;  // tokens out of order
      insert(spans_[example],
             {start_logits[start], end_logits[end], static_cast<int32_t>(window), start, end, begin_byte,
              end_byte},
             kept_);
    }
  }
}

std::string SpanSearch::export_found() const {
  std::string found;
  append(found, static_cast<uint64_t>(spans_.size()));
  append(found, static_cast<int64_t>(data_.windows()));
  for (size_t example = 0; example < spans_.size(); ++example) {
    append(found, null_spans_[example]);
    append(found, static_cast<uint64_t>(spans_[example].size()));
    for (const AnswerSpan& span : spans_[example]) append(found, span);
  }
  return found;
}

void SpanSearch::import_found(std::string_view found) {
  if (take<uint64_t>(found, data_) != spans_.size() || take<int64_t>(found, data_) != data_.windows())
    fail_other_data(data_);
  for (size_t example = 0; example < spans_.size(); ++example) {
    const auto null = take<AnswerSpan>(found, data_);
    if (better(null_spans_[example], null)) null_spans_[example] = null;
    for (auto left = take<uint64_t>(found, data_); left > 0; --left)
      insert(spans_[example], take<AnswerSpan>(found, data_), kept_);
  }
  if (!found.empty()) fail_other_data(data_);
}

std::string SpanSearch::answer(int64_t example) const {
  const auto& spans = this->spans(example);
  if (spans.empty()) return "";
  const float margin = null_span(example).score() - spans.front().score();
  if (data_.version() == SquadVersion::k20 && margin > options_.null_threshold) return "";
  return std::string(text(example, spans.front()));
}

std::string_view SpanSearch::text(int64_t example, const AnswerSpan& span) const {
  const std::string_view context = data_.examples()[static_cast<size_t>(example)].context;
  return context.substr(static_cast<size_t>(span.begin), static_cast<size_t>(span.end - span.begin));
}

}  // namespace prune2to4
