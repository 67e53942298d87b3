// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/packed_text.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <set>

namespace prune2to4 {
namespace {

PackRules rules() {
  PackRules rules;
  rules.vocabulary = 100;
  rules.segments = 2;
  rules.positions = 512;
  return rules;
}

// Ids 10, 11, ...; the second half of each row is of type 1.
TextBatch batch_of(const std::vector<int64_t>& lengths, int64_t width) {
  const auto rows = static_cast<int64_t>(lengths.size());
  TextBatch batch{at::arange(rows * width).remainder(80).add(10).view({rows, width}),
                  at::zeros({rows, width}, at::kLong), at::zeros({rows, width}, at::kLong)};
  for (int64_t row = 0; row < rows; ++row) {
    batch.attention_mask[row].narrow(0, 0, lengths[static_cast<size_t>(row)]).fill_(1);
    batch.token_type_ids[row].narrow(0, width / 2, width - width / 2).fill_(1);
  }
  return batch;
}

at::Tensor ints(const std::vector<int32_t>& values) { return at::tensor(values, at::kInt); }

}  // namespace

CATCH_TEST_CASE("only real tokens are packed, each with its place, type and slot") {
  const auto text = pack_text(batch_of({3, 0, 2}, 4), rules());
  CATCH_REQUIRE(text);
  CATCH_CHECK(text->shape == TextShape{5, 3, 3, 4});
  CATCH_CHECK(at::equal(text->ids(), ints({10, 11, 12, 18, 19})));
  CATCH_CHECK(at::equal(text->places(), ints({0, 1, 2, 0, 1})));
  CATCH_CHECK(at::equal(text->types(), ints({0, 0, 1, 0, 0})));
  CATCH_CHECK(at::equal(text->slots(), ints({0, 1, 2, 8, 9}).to(at::kLong)));
  CATCH_CHECK(at::equal(text->boundaries(), ints({0, 3, 3, 5})));
}

CATCH_TEST_CASE("kept padding is a sequence behind the real one whose logits go nowhere") {
  PackRules keep = rules();
  keep.remove_padding = false;
  keep.positions = 3;
  keep.position_offset = 2;
  keep.segments = 0;
  const auto text = pack_text(batch_of({3, 1}, 4), keep);
  CATCH_REQUIRE(text);
  CATCH_CHECK(text->shape == TextShape{8, 4, 2, 4});
  CATCH_CHECK(at::equal(text->ids(), ints({10, 11, 12, 13, 14, 15, 16, 17})));
  CATCH_CHECK(at::equal(text->places(), ints({2, 3, 4, 4, 2, 3, 4, 4})));
  CATCH_CHECK(at::equal(text->types(), at::zeros({8}, at::kInt)));
  CATCH_CHECK(at::equal(text->slots(), ints({0, 1, 2, 8, 4, 8, 8, 8}).to(at::kLong)));
  CATCH_CHECK(at::equal(text->boundaries(), ints({0, 3, 4, 5, 8})));
  keep.positions = 4;
  CATCH_CHECK(pack_text(batch_of({4, 4}, 4), keep)->shape == TextShape{8, 2, 2, 4, true});
}

CATCH_TEST_CASE("a rounded shape has filler in sequences of their own, none longer than the width") {
  PackRules rounded = rules();
  rounded.round_up = true;
  for (const bool remove : {true, false}) {
    for (const int64_t count : {1, 5, 9, 70}) {
      rounded.remove_padding = remove;
      std::vector<int64_t> lengths(static_cast<size_t>(count), 141);
      lengths[0] = 130;
      const auto text = pack_text(batch_of(lengths, 141), rounded);
      CATCH_REQUIRE(text);
      const int64_t tokens = 141 * count - (remove ? 11 : 0);
      const TextShape& shape = text->shape;
      CATCH_CHECK(shape.tokens % 256 == 0);
      CATCH_CHECK(shape.tokens - tokens < (tokens <= 8192 ? 256 : 1024));
      CATCH_CHECK(shape.rows >= count);
      CATCH_CHECK(shape.width == 256);
      CATCH_CHECK(text->rows == count);
      CATCH_CHECK(text->width == 141);
      const at::Tensor boundaries = text->boundaries();
      const at::Tensor lengths_found = boundaries.diff();
      CATCH_CHECK(lengths_found.ge(0).all().item<bool>());
      CATCH_CHECK(lengths_found.le(shape.width).all().item<bool>());
      CATCH_CHECK(boundaries[-1].item<int64_t>() == shape.tokens);
      const at::Tensor slots = text->slots();
      CATCH_CHECK(slots.lt(shape.slots()).sum().item<int64_t>() == 141 * count - 11);
      CATCH_CHECK(slots.narrow(0, tokens, shape.tokens - tokens).eq(shape.slots()).all().item<bool>());
    }
  }
}

CATCH_TEST_CASE("rows of one length are marked, and of a round one get no filler") {
  PackRules rounded = rules();
  CATCH_CHECK(pack_text(batch_of({4, 4}, 4), rounded)->shape == TextShape{8, 2, 2, 4, true});
  rounded.round_up = true;
  for (const bool remove : {true, false}) {
    rounded.remove_padding = remove;
    const auto text = pack_text(batch_of({384, 384, 384}, 384), rounded);
    CATCH_REQUIRE(text);
    CATCH_CHECK(text->shape == TextShape{1152, 3, 3, 384, true});
    CATCH_CHECK(text->sequences().uniform);
    CATCH_CHECK(at::equal(text->boundaries(), ints({0, 384, 768, 1152})));
  }
  CATCH_CHECK_FALSE(pack_text(batch_of({130, 130}, 130), rounded)->shape.uniform);
  CATCH_CHECK_FALSE(pack_text(batch_of({128, 127}, 128), rounded)->shape.uniform);
  CATCH_CHECK_FALSE(pack_text(batch_of({100, 100}, 128), rounded)->shape.uniform);
}

CATCH_TEST_CASE("there are few shapes") {
  std::set<TextShape> shapes;
  int64_t wrong = 0;
  for (int64_t rows = 1; rows <= 256; ++rows) {
    for (int64_t length = 1; length <= 384; ++length) {
      const TextShape shape{rows * length, rows, rows, length};
      const TextShape rounded = rounded_up(shape);
      shapes.insert(rounded);
      wrong += rounded != rounded_up({rounded.tokens, rounded.rows, rounded.rows, rounded.width});
      wrong += rounded.tokens >= shape.tokens + (shape.tokens <= 8192 ? 256 : 1024);
    }
  }
  CATCH_CHECK(wrong == 0);
  CATCH_CHECK(shapes.size() < 1000);
  // What a GPU is measured with stays as it is.
  for (const int64_t rows : {4, 16, 64, 256}) {
    const TextShape rounded = rounded_up({rows * 384, rows, rows, 384});
    CATCH_CHECK(rounded.tokens == rows * 384);
    CATCH_CHECK(rounded.slots() == rows * 384);
  }
}

CATCH_TEST_CASE("what only the interpreter can tell the result of is not packed") {
  CATCH_CHECK(pack_text(batch_of({3, 2}, 4), rules()));
  CATCH_CHECK_FALSE(pack_text(batch_of({0, 0}, 4), rules()));
  TextBatch holes = batch_of({3, 2}, 4);
  holes.attention_mask[0][1] = 0;
  CATCH_CHECK_FALSE(pack_text(holes, rules()));
  TextBatch weighted = batch_of({3, 2}, 4);
  weighted.attention_mask[0][1] = 2;
  CATCH_CHECK_FALSE(pack_text(weighted, rules()));

  TextBatch id = batch_of({3, 2}, 4);
  id.input_ids[1][2] = 100;  // padding
  CATCH_CHECK(pack_text(id, rules()));
  PackRules keep = rules();
  keep.remove_padding = false;
  CATCH_CHECK_FALSE(pack_text(id, keep));
  id.input_ids[1][1] = 100;
  CATCH_CHECK_FALSE(pack_text(id, rules()));
  id.input_ids[1][1] = -1;
  CATCH_CHECK_FALSE(pack_text(id, rules()));
  TextBatch type = batch_of({3, 2}, 4);
  type.token_type_ids[0][0] = 2;
  CATCH_CHECK_FALSE(pack_text(type, rules()));

  PackRules few = rules();
  few.positions = 2;
  CATCH_CHECK_FALSE(pack_text(batch_of({3, 2}, 4), few));
  CATCH_CHECK(pack_text(batch_of({2, 2}, 4), few));
  PackRules roberta = rules();
  roberta.position_offset = 12;  // 11 is padding
  CATCH_CHECK_FALSE(pack_text(batch_of({3, 2}, 4), roberta));
  CATCH_CHECK(pack_text(batch_of({1, 2}, 4), roberta));
}

}  // namespace prune2to4
