// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/packed_text.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace prune2to4 {
namespace {

// Flash attention works on as many tokens of a sequence at once.
constexpr int64_t kWidthStep = 128;
// Steps of T: a quarter to a percent of it is filler.
constexpr int64_t kTokenStep = 256;
constexpr int64_t kWideTokenStep = 1024;
constexpr int64_t kManyTokens = 8192;

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

struct Rows {
  int64_t count;
  int64_t width;
  at::Tensor ids;
  at::Tensor types;
  std::vector<int64_t> lengths;

  const int64_t* ids_of(int64_t row) const { return ids.const_data_ptr<int64_t>() + row * width; }
  const int64_t* types_of(int64_t row) const { return types.const_data_ptr<int64_t>() + row * width; }
};

std::optional<int64_t> length_of(const int64_t* mask, int64_t width) {
  const int64_t* end = std::find_if(mask, mask + width, [](int64_t each) { return each != 1; });
  if (std::any_of(end, mask + width, [](int64_t each) { return each != 0; })) return std::nullopt;
  return end - mask;
}

bool below(const int64_t* values, int64_t count, int64_t limit) {
  return std::all_of(values, values + count, [&](int64_t each) { return each >= 0 && each < limit; });
}

bool can_look_up(const Rows& rows, const PackRules& rules) {
  for (int64_t row = 0; row < rows.count; ++row) {
    const int64_t real = rows.lengths[static_cast<size_t>(row)];
    const int64_t computed = rules.remove_padding ? real : rows.width;
    if (real > rules.positions || !below(rows.ids_of(row), computed, rules.vocabulary)) return false;
    if (rules.looks_up_types() && !below(rows.types_of(row), computed, rules.segments)) return false;
    // Positions are counted by ids that are not padding.
    const int64_t padding_id = rules.position_offset - 1;
    const int64_t* ids = rows.ids_of(row);
    if (padding_id >= 0 && std::find(ids, ids + real, padding_id) != ids + real) return false;
  }
  return true;
}

std::optional<Rows> read_rows(const TextBatch& batch, const PackRules& rules) {
  Rows rows{batch.input_ids.size(0),
            batch.input_ids.size(1),
            batch.input_ids.to(at::kLong).contiguous(),
            batch.token_type_ids.to(at::kLong).contiguous(),
            {}};
  const at::Tensor mask = batch.attention_mask.to(at::kLong).contiguous();
  for (int64_t row = 0; row < rows.count; ++row) {
    const auto length = rules.has_mask
                            ? length_of(mask.const_data_ptr<int64_t>() + row * rows.width, rows.width)
                            : std::optional(rows.width);
    if (!length) return std::nullopt;
    rows.lengths.push_back(*length);
  }
  const bool empty = std::all_of(rows.lengths.begin(), rows.lengths.end(), [](int64_t n) { return n == 0; });
  if (empty || !can_look_up(rows, rules)) return std::nullopt;
  return rows;
}

// `padding`: it is computed too.
TextShape shape_of(const Rows& rows, bool padding, const PackRules& rules) {
  const int64_t real = std::accumulate(rows.lengths.begin(), rows.lengths.end(), int64_t{0});
  TextShape shape{padding ? rows.count * rows.width : real, padding ? 2 * rows.count : rows.count, rows.count,
                  rows.width};
  shape.uniform = real == rows.count * rows.width;
  return rules.round_up ? rounded_up(shape) : shape;
}

// Writes sequences one behind the other into the parts of a PackedText.
class Writer {
 public:
  Writer(const Rows& rows, const PackRules& rules, PackedText& text)
      : rows_(rows),
        rules_(rules),
        shape_(text.shape),
        slots_(text.slots().mutable_data_ptr<int64_t>()),
        ids_(text.ids().mutable_data_ptr<int32_t>()),
        places_(text.places().mutable_data_ptr<int32_t>()),
        types_(text.types().mutable_data_ptr<int32_t>()),
        boundaries_(text.boundaries().mutable_data_ptr<int32_t>()) {}

  // Tokens first ... last - 1 of a row.
  void add(int64_t row, int64_t first, int64_t last, bool real) {
    begin_sequence();
    for (int64_t column = first; column < last; ++column) {
      const int64_t place = std::min(column, rules_.positions - 1) + rules_.position_offset;
      add_token(rows_.ids_of(row)[column], place, rules_.looks_up_types() ? rows_.types_of(row)[column] : 0,
                real ? row * shape_.width + column : shape_.slots());
    }
  }

  void fill() {
    while (at_ < shape_.tokens) {
      begin_sequence();
      for (int64_t i = 0; i < shape_.width && at_ < shape_.tokens; ++i) {
        add_token(0, rules_.position_offset, 0, shape_.slots());
      }
    }
    while (sequence_ <= shape_.sequences) begin_sequence();
  }

 private:
  void begin_sequence() { boundaries_[sequence_++] = static_cast<int32_t>(at_); }

  void add_token(int64_t id, int64_t place, int64_t type, int64_t slot) {
    slots_[at_] = slot;
    ids_[at_] = static_cast<int32_t>(id);
    places_[at_] = static_cast<int32_t>(place);
    types_[at_] = static_cast<int32_t>(type);
    ++at_;
  }

  const Rows& rows_;
  const PackRules& rules_;
  TextShape shape_;
  int64_t* slots_;
  int32_t* ids_;
  int32_t* places_;
  int32_t* types_;
  int32_t* boundaries_;
  int64_t at_ = 0;
  int64_t sequence_ = 0;
};

}  // namespace

TextShape rounded_up(const TextShape& shape) {
  if (shape.uniform && shape.width % kWidthStep == 0) return shape;
  TextShape result = shape;
  result.uniform = false;
  const int64_t step = shape.tokens <= kManyTokens ? kTokenStep : kWideTokenStep;
  const auto rows = [](int64_t count) { return count <= 8 ? count : round_up(count, count <= 64 ? 8 : 32); };
  result.tokens = round_up(shape.tokens, step);
  result.width = round_up(shape.width, kWidthStep);
  result.rows = rows(shape.rows);
  const bool padded = shape.sequences > shape.rows;
  result.sequences = result.rows * (padded ? 2 : 1) + step / kWidthStep;  // the last for filler
  return result;
}

std::optional<PackedText> pack_text(const TextBatch& batch, const PackRules& rules) {
  const auto rows = read_rows(batch, rules);
  if (!rows) return std::nullopt;
  const bool padding = !rules.remove_padding && std::any_of(rows->lengths.begin(), rows->lengths.end(),
                                                            [&](int64_t each) { return each < rows->width; });
  PackedText text;
  text.shape = shape_of(*rows, padding, rules);
  text.rows = rows->count;
  text.width = rows->width;
  text.data =
      at::empty({PackedText::size(text.shape)}, at::TensorOptions(at::kInt).pinned_memory(rules.pinned));
  Writer writer(*rows, rules, text);
  for (int64_t row = 0; row < rows->count; ++row) {
    const int64_t length = rows->lengths[static_cast<size_t>(row)];
    writer.add(row, 0, length, true);
    if (padding) writer.add(row, length, rows->width, false);
  }
  writer.fill();
  return text;
}

}  // namespace prune2to4
