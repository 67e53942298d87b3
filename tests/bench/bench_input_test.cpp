// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "core/squad_file.h"
#include "core/temporary_folder.h"
#include "model/small_models.h"
#include "model/traced_model.h"
#include "prune2to4/bench.h"

namespace prune2to4 {

CATCH_TEST_CASE("random input is full, below the vocabulary, and the same for a seed") {
  const BenchInput input = random_input(3, 40, 50, 7);
  CATCH_REQUIRE(input.batches.size() == 1);
  const TextBatch& batch = input.batches[0];
  CATCH_CHECK(batch.input_ids.sizes() == at::IntArrayRef{3, 40});
  CATCH_CHECK(batch.attention_mask.all().item<bool>());
  CATCH_CHECK(batch.input_ids.min().item<int64_t>() >= 5);
  CATCH_CHECK(batch.input_ids.max().item<int64_t>() < 50);
  CATCH_CHECK(input.lengths == std::vector<int64_t>{40, 40, 40});
  CATCH_CHECK(at::equal(random_input(3, 40, 50, 7).batches[0].input_ids, batch.input_ids));
  CATCH_CHECK_FALSE(at::equal(random_input(3, 40, 50, 8).batches[0].input_ids, batch.input_ids));
  for (const int64_t vocabulary : {0, 1, 3}) {
    const at::Tensor ids = random_input(2, 8, vocabulary, 0).batches[0].input_ids;
    CATCH_CHECK(ids.min().item<int64_t>() >= 0);
    CATCH_CHECK(ids.max().item<int64_t>() < std::max<int64_t>(vocabulary, 6));
  }
}

CATCH_TEST_CASE("a file's windows fill batches in order, with their lengths; the rest is left out") {
  const TemporaryFolder folder;
  write_bytes(folder / "squad.safetensors", small_squad_file().bytes());
  const auto data = TokenizedSquad::read(folder / "squad.safetensors");  // windows of 6, 7, 8, 7, 7 tokens
  const BenchInput input = file_input(data, 2, 9, 5);
  CATCH_CHECK(input.batches.size() == 2);
  CATCH_CHECK(input.lengths == std::vector<int64_t>{6, 7, 8, 7});
  CATCH_CHECK(input.batches[1].input_ids.sizes() == at::IntArrayRef{2, 9});
  CATCH_CHECK(at::equal(input.batches[0].attention_mask.sum(1), at::tensor({6, 7}, at::kLong)));
  CATCH_CHECK(file_input(data, 2, 8, 3).lengths == std::vector<int64_t>{6, 7});
}

CATCH_TEST_CASE("a BERT's arithmetic counts linears, attention and head; another model's is not known") {
  for (const char* name : {"tiny_bert", "distilbert_sdpa_tf4"}) {
    const auto size = encoder_size(traced_model(name));
    CATCH_REQUIRE(size);
    CATCH_CHECK(size->layers == 2);
    CATCH_CHECK(size->width == (std::string(name) == "tiny_bert" ? 64 : 16));
    CATCH_CHECK(size->inner >= size->width);
  }
  CATCH_CHECK_FALSE(encoder_size(token_module()));
  // 2 layers, width 4, inner 8, two sequences of 3 and 5 tokens.
  const double linears = 2.0 * 8 * (4 * 4 * 4 + 2 * 4 * 8);
  const double attention = 2.0 * (3 * 3 + 5 * 5) * 2 * 4;
  const double head = 2.0 * 8 * 4 * 2;
  CATCH_CHECK(encoder_flops({2, 4, 8}, {3, 5}) == 2 * (linears + attention) + head);
}

}  // namespace prune2to4
