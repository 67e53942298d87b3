// SPDX-License-Identifier: Apache-2.0
#include "core/squad_windows.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "core/printable.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr int32_t kNoContext = -1;

int32_t context_bytes(const SquadExample& example) {
  constexpr size_t kLargest = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(std::min(example.context.size(), kLargest));
}

// Without branches: this runs for each token of the file.
bool in_context(int32_t begin, int32_t end, int32_t size) {
  const bool none = (begin == kNoContext) & (end == kNoContext);
  const bool inside = (begin >= 0) & (begin <= end) & (end <= size);
  return none | inside;
}

// Precondition: in_context().
bool on_boundary(int32_t offset, std::string_view context) {
  if (offset == kNoContext || static_cast<size_t>(offset) == context.size()) return true;
  return (static_cast<unsigned char>(context[static_cast<size_t>(offset)]) & 0xC0U) != 0x80U;
}

bool all_not_negative(std::span<const int32_t> values) {
  uint32_t bits = 0;
  for (const int32_t value : values) bits |= static_cast<uint32_t>(value);
  return bits >> 31U == 0;
}

// Each check runs over all values first and looks for the culprit only when there is one.
class WindowChecker {
 public:
  WindowChecker(const SquadWindows& windows, const std::vector<SquadExample>& examples,
                const std::string& file_name)
      : windows_(windows), examples_(examples), file_name_(file_name) {}

  void check_lengths() const {
    for (size_t row = 0; row < windows_.count; ++row) {
      const int32_t length = windows_.length[row];
      if (length >= 1 && static_cast<size_t>(length) <= windows_.width) continue;
      fail(squad_row("length", row),
           std::to_string(length) + " is not in 1.." + std::to_string(windows_.width));
    }
  }

  void check_order() const {
    int64_t before = -1;
    for (size_t row = 0; row < windows_.count; ++row) {
      const int64_t index = windows_.example[row];
      const std::string text = std::to_string(index);
      if (index < 0 || static_cast<size_t>(index) >= examples_.size()) {
        fail(squad_row("example", row),
             text + " is no index into the " + std::to_string(examples_.size()) + " examples");
      }
      if (index < before) {
        fail(squad_row("example", row), text + " follows " + std::to_string(before) + "; they must ascend");
      }
      if (index > before + 1) fail_without_window(before + 1, squad_row("example", row));
      before = index;
    }
    if (static_cast<size_t>(before + 1) < examples_.size())
      fail_without_window(before + 1, "tensor \"example\"");
  }

  void check_ids() const {
    if (all_not_negative(windows_.input_ids)) return;
    const auto found =
        std::find_if(windows_.input_ids.begin(), windows_.input_ids.end(), [](int32_t id) { return id < 0; });
    const auto at = static_cast<size_t>(found - windows_.input_ids.begin());
    fail(squad_token("input_ids", at / windows_.width, at % windows_.width),
         "the id " + std::to_string(*found) + " is negative");
  }

  void check_offsets() const {
    for (size_t row = 0; row < windows_.count; ++row) {
      const SquadExample& example = example_of(row);
      const std::span<const int32_t> offsets =
          windows_.offsets.subspan(2 * windows_.width * row, 2 * windows_.width);
      const size_t used = 2 * static_cast<size_t>(windows_.length[row]);
      const int32_t size = context_bytes(example);
      bool good = true;
      for (size_t i = 0; i < used; i += 2) good &= in_context(offsets[i], offsets[i + 1], size);
      int32_t padding = kNoContext;
      for (const int32_t offset : offsets.subspan(used)) padding &= offset;
      good &= padding == kNoContext;
      // Only now are they known to be inside.
      for (size_t i = 0; good && i < used; ++i) good = on_boundary(offsets[i], example.context);
      if (!good) fail_offsets(row, offsets, example);
    }
  }

  void check_labels() const {
    for (size_t row = 0; row < windows_.start.size(); ++row) {
      const int32_t start = windows_.start[row];
      const int32_t end = windows_.end[row];
      if (start == end && (start == 0 || start == TokenizedSquad::kUnknownLabel)) continue;
      check_label("start", row, start);
      check_label("end", row, end);
      if (start > end) {
        fail(squad_row("end", row), std::to_string(end) + " is before the start " + std::to_string(start));
      }
      if (example_of(row).answers.empty()) {
        fail(squad_row("start", row),
             "labels token " + std::to_string(start) + " of an example without answers");
      }
    }
  }

 private:
  [[noreturn]] void fail(const std::string& place, const std::string& reason) const {
    refuse_squad(file_name_, place + ": " + reason);
  }

  [[noreturn]] void fail_without_window(int64_t index, const std::string& place) const {
    const std::string_view id = examples_[static_cast<size_t>(index)].id;
    fail(place, "example " + std::to_string(index) + ", " + quoted_name(id) + ", has no window");
  }

  [[noreturn]] void fail_offsets(size_t row, std::span<const int32_t> offsets,
                                 const SquadExample& example) const {
    const int32_t size = context_bytes(example);
    const auto length = static_cast<size_t>(windows_.length[row]);
    for (size_t token = 0; token < windows_.width; ++token) {
      const int32_t begin = offsets[2 * token];
      const int32_t end = offsets[2 * token + 1];
      const std::string place = squad_token("offsets", row, token);
      const std::string pair = "[" + std::to_string(begin) + ", " + std::to_string(end) + "]";
      if (token >= length) {
        if (begin != kNoContext || end != kNoContext) fail(place, pair + " must be [-1, -1] in the padding");
        continue;
      }
      if (!in_context(begin, end, size)) {
        fail(place, (begin == kNoContext) != (end == kNoContext) ? pair + ": only one of the two is -1"
                    : begin > end                                ? pair + " ends before it begins"
                                  : pair + " is outside its context of " + std::to_string(size) + " bytes");
      }
      for (const int32_t offset : {begin, end}) {
        if (on_boundary(offset, example.context)) continue;
        fail(place, pair + ": byte " + std::to_string(offset) + " is inside a character of its context");
      }
    }
    fail(squad_row("offsets", row), "changed while it was read");
  }

  void check_label(const char* tensor, size_t row, int32_t label) const {
    const int32_t length = windows_.length[row];
    if (label < 0 || label >= length) {
      fail(squad_row(tensor, row), "token " + std::to_string(label) + " is outside its window of " +
                                       std::to_string(length) + " tokens");
    }
    const size_t at = 2 * (row * windows_.width + static_cast<size_t>(label));
    if (windows_.offsets[at] == kNoContext) {
      fail(squad_row(tensor, row), "token " + std::to_string(label) + " is not of the context");
    }
  }

  const SquadExample& example_of(size_t row) const {
    return examples_[static_cast<size_t>(windows_.example[row])];
  }

  const SquadWindows& windows_;
  const std::vector<SquadExample>& examples_;
  const std::string& file_name_;
};

}  // namespace

void refuse_squad(const std::string& file_name, const std::string& what, const std::string& mend) {
  throw Error(ExitStatus::kData, kSquadStage, file_name + ": " + what + "; " + mend);
}

std::string squad_row(const char* tensor, size_t row) {
  return std::string("tensor \"") + tensor + "\" row " + std::to_string(row);
}

std::string squad_token(const char* tensor, size_t row, size_t token) {
  return squad_row(tensor, row) + " token " + std::to_string(token);
}

void check_squad_windows(const SquadWindows& windows, const std::vector<SquadExample>& examples,
                         const std::string& file_name) {
  const WindowChecker checker(windows, examples, file_name);
  checker.check_lengths();
  checker.check_order();
  checker.check_ids();
  checker.check_offsets();
  checker.check_labels();
}

}  // namespace prune2to4
