// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/batches.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <set>

#include "core/squad_file.h"
#include "core/temporary_folder.h"

namespace prune2to4 {
namespace {

// Windows of 6, 7, 8, 7 and 7 tokens.
TokenizedSquad small_squad() {
  const TemporaryFolder folder;
  SquadFile file = small_squad_file();
  file.metadata["pad_token_id"] = "9";
  write_bytes(folder / "squad.safetensors", file.bytes());
  return TokenizedSquad::read(folder / "squad.safetensors");
}

}  // namespace

CATCH_TEST_CASE("batches hold every window once, longest first, within the limits") {
  const TokenizedSquad data = small_squad();
  for (const BatchLimits limits : {BatchLimits{0, 0}, {0, 2}, {14, 0}, {1, 0}, {1000, 3}}) {
    std::multiset<int64_t> seen;
    int32_t before = 100;
    for (const auto& batch : plan_batches(data, data.windows(), limits)) {
      CATCH_REQUIRE(!batch.empty());
      const auto size = static_cast<int64_t>(batch.size());
      const bool within = limits.tokens == 0 || size * data.length(batch.front()) <= limits.tokens;
      CATCH_CHECK((within || size == 1));
      CATCH_CHECK((limits.windows == 0 || size <= limits.windows));
      for (const int64_t window : batch) {
        CATCH_CHECK(data.length(window) <= before);
        before = data.length(window);
        seen.insert(window);
      }
    }
    CATCH_CHECK(seen == std::multiset<int64_t>{0, 1, 2, 3, 4});
  }
  CATCH_CHECK(plan_batches(data, data.windows(), {0, 0}).size() == 1);
  CATCH_CHECK(plan_batches(data, data.windows(), {1, 0}).size() == 5);
  CATCH_CHECK(plan_batches(data, 2, {0, 0}) == std::vector<std::vector<int64_t>>{{1, 0}});
}

CATCH_TEST_CASE("a batch holds its windows' ids and segments, padded, and a mask of what is real") {
  const TokenizedSquad data = small_squad();
  const std::vector<int64_t> windows{2, 0};
  const TextBatch batch = fill_batch(data, windows, 3, 8);
  CATCH_CHECK(batch.input_ids.sizes() == at::IntArrayRef{3, 8});
  CATCH_CHECK(at::equal(batch.attention_mask.sum(1), at::tensor({8, 6, 8}, at::kLong)));
  CATCH_CHECK(at::equal(batch.input_ids[2], batch.input_ids[0]));
  CATCH_CHECK(at::equal(batch.input_ids[1].slice(0, 6), at::tensor({9, 9}, at::kLong)));
  for (size_t row = 0; row < windows.size(); ++row) {
    const auto ids = data.input_ids(windows[row]);
    const auto types = data.token_type_ids(windows[row]);
    for (size_t token = 0; token < ids.size(); ++token) {
      const auto r = static_cast<int64_t>(row);
      const auto t = static_cast<int64_t>(token);
      CATCH_CHECK(batch.input_ids[r][t].item<int64_t>() == ids[token]);
      CATCH_CHECK(batch.token_type_ids[r][t].item<int64_t>() == types[token]);
    }
  }
}

}  // namespace prune2to4
