// SPDX-License-Identifier: Apache-2.0
#include "core/script_tokens.h"

#include <algorithm>
#include <utility>

namespace prune2to4 {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The character of an escape that starts after the backslash at `at`; moves `at` past it.
char escaped(std::string_view text, size_t& at) {
  constexpr std::string_view kLetters = "abfnrtv";
  constexpr std::string_view kControls = "\a\b\f\n\r\t\v";
  const char first = text[at++];
  if (const size_t i = kLetters.find(first); i != std::string_view::npos) return kControls[i];
  if (first == 'x' && at + 1 < text.size() && hex_value(text[at]) >= 0 && hex_value(text[at + 1]) >= 0) {
    const int value = hex_value(text[at]) * 16 + hex_value(text[at + 1]);
    at += 2;
    return static_cast<char>(value);
  }
  if (first < '0' || first > '7') return first;
  int value = first - '0';
  for (int digits = 1; digits < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++digits) {
    value = value * 8 + (text[at++] - '0');
  }
  return static_cast<char>(value);
}

std::string unescape(std::string_view text) {
  std::string value;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      value += text[at++];
      continue;
    }
    ++at;
    if (text[at] == '\n') {
      ++at;
    } else {
      value += escaped(text, at);
    }
  }
  return value;
}

size_t skip_digits(std::string_view text, size_t at, bool hex) {
  while (at < text.size() && (is_digit(text[at]) || (hex && hex_value(text[at]) >= 0))) ++at;
  return at;
}

// As strtod reads, and an imaginary unit.
size_t number_size(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  size_t at = skip_digits(text, hex ? 2 : 0, hex);
  if (at < text.size() && text[at] == '.') at = skip_digits(text, at + 1, hex);
  if (at < text.size() && (hex ? text[at] == 'p' || text[at] == 'P' : text[at] == 'e' || text[at] == 'E')) {
    size_t digits = at + 1;
    if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) ++digits;
    if (const size_t end = skip_digits(text, digits, false); end > digits) at = end;
  }
  return at < text.size() && text[at] == 'j' ? at + 1 : at;
}

class Scanner {
 public:
  explicit Scanner(std::string_view source) : source_(source) {}

  std::vector<ScriptToken> run() {
    while (at_ < source_.size()) step();
    return std::move(tokens_);
  }

 private:
  void step() {
    const std::string_view rest = source_.substr(at_);
    if (is_space(rest[0])) return advance(1);
    if (rest[0] == '\\' && rest.substr(1).starts_with('\n')) return advance(2);
    if (rest[0] == '#')
      return advance(rest.starts_with("# type:") ? 1 : std::min(rest.find('\n'), rest.size()));
    if (rest[0] == '"' || rest[0] == '\'') return take_string(rest);
    if (is_digit(rest[0]) || (rest[0] == '.' && rest.size() > 1 && is_digit(rest[1]))) {
      return take(ScriptToken::Kind::kNumber, rest.substr(0, number_size(rest)));
    }
    if (rest.starts_with("...")) return take(ScriptToken::Kind::kOther, rest.substr(0, 3));
    if (!is_letter(rest[0])) return take(ScriptToken::Kind::kOther, rest.substr(0, 1));
    size_t size = 1;
    while (size < rest.size() && (is_letter(rest[size]) || is_digit(rest[size]))) ++size;
    take(ScriptToken::Kind::kName, rest.substr(0, size));
  }

  void take(ScriptToken::Kind kind, std::string_view text) {
    add(kind, std::string(text));
    advance(text.size());
  }

  void take_string(std::string_view rest) {
    const size_t quotes =
        rest.size() >= 3 && rest[1] == rest[0] && rest[2] == rest[0] ? size_t{3} : size_t{1};
    const std::string_view quote = rest.substr(0, quotes);
    size_t end = quotes;
    while (end < rest.size() && rest.substr(end, quotes) != quote) {
      if (quotes == 1 && rest[end] == '\n') end = rest.size();
      end += end < rest.size() && rest[end] == '\\' ? size_t{2} : size_t{1};
    }
    if (end >= rest.size()) {
      add(ScriptToken::Kind::kBad, {});
      return advance(rest.size());
    }
    std::string value = unescape(rest.substr(quotes, end - quotes));
    if (!tokens_.empty() && tokens_.back().kind == ScriptToken::Kind::kString) {
      tokens_.back().text += value;
    } else {
      add(ScriptToken::Kind::kString, std::move(value));
    }
    advance(end + quotes);
  }

  void add(ScriptToken::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  void advance(size_t count) {
    const std::string_view passed = source_.substr(at_, count);
    line_ += static_cast<size_t>(std::count(passed.begin(), passed.end(), '\n'));
    at_ += passed.size();
  }

  std::string_view source_;
  size_t at_ = 0;
  size_t line_ = 1;
  std::vector<ScriptToken> tokens_;
};

}  // namespace

std::vector<ScriptToken> script_tokens(std::string_view source) { return Scanner(source).run(); }

}  // namespace prune2to4
