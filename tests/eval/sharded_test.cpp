// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/squad_file.h"
#include "core/temporary_folder.h"
#include "dist/rank_processes.h"
#include "model/small_models.h"
#include "prune2to4/error.h"
#include "prune2to4/evaluate.h"

namespace prune2to4 {
namespace {

TokenizedSquad small_squad(const std::string& version) {
  const TemporaryFolder folder;
  SquadFile file = small_squad_file();
  file.metadata["squad_version"] = version;
  write_bytes(folder / "squad.safetensors", file.bytes());
  return TokenizedSquad::read(folder / "squad.safetensors");
}

// NaN in the batch whose first row has `token`.
torch::jit::Module nan_module(const std::string& token) {
  torch::jit::Module module("Module");
  module.define("def forward(self, input_ids):\n  x = input_ids.float()\n  if bool((input_ids[0] == " +
                token + ").any()):\n    x = x / 0.0 * 0.0\n  return (x, x)\n");
  return module;
}

std::string written(void (*write)(const Questions&, const ModelAnswers&, AtomicFile&),
                    const Questions& questions, const ModelAnswers& answers) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "out.json");
  write(questions, answers, file);
  file.commit();
  return read_text_file(folder / "out.json", 1 << 20);
}

}  // namespace

CATCH_TEST_CASE("rank: shares the windows", "[.rank]") {
  const auto comm = make_comm(discover_launch(), at::kCPU);
  for (const std::string version : {"1.1", "2.0"}) {
    for (const int64_t limit : {0, 2}) {
      const TokenizedSquad data = small_squad(version);
      const Questions questions = choose_questions(data, limit);
      Runner first("first.pt", token_module(), at::kCPU);
      Runner second("second.pt", token_module("49 - input_ids"), at::kCPU);
      EvaluateOptions options;
      options.batches = {0, 1};
      options.keep_n_best = true;
      options.spans.n_best = 3;
      const auto alone = evaluate({&first, &second}, questions, options);
      options.comm = comm.get();
      const auto shared = evaluate({&first, &second}, questions, options);
      CATCH_REQUIRE(shared.size() == 2);
      for (size_t model = 0; model < 2; ++model) {
        CATCH_CHECK(shared[model].texts == alone[model].texts);
        CATCH_CHECK(shared[model].score.all.f1 == alone[model].score.all.f1);
        CATCH_CHECK(shared[model].score.all.exact_match == alone[model].score.all.exact_match);
        CATCH_CHECK(shared[model].spans.export_found() == alone[model].spans.export_found());
        for (const auto write : {write_predictions, write_n_best})
          CATCH_CHECK(written(write, questions, shared[model]) == written(write, questions, alone[model]));
      }
    }
  }
}

CATCH_TEST_CASE("rank: fails in its share", "[.rank]") {
  const TokenizedSquad data = small_squad("1.1");
  std::string message;
  try {
    const auto comm = make_comm(discover_launch(), at::kCPU);
    EvaluateOptions options;
    options.batches = {0, 1};
    options.comm = comm.get();
    // Only row 1 has a full stop; behind row 2, the longest, it is rank 1's first.
    Runner runner("model.pt", nan_module(std::to_string(data.input_ids(1)[5])), at::kCPU);
    evaluate({&runner}, choose_questions(data, 0), options);
  } catch (const Error& error) {
    message = error.what();
  }
  CATCH_CHECK_THAT(message, Catch::Contains(discover_launch().rank == 1 ? "NaN" : "rank 1 has failed"));
}

CATCH_TEST_CASE("ranks that share the windows each have the answers of one process, to the byte") {
  for (const int size : {2, 3, 6}) {
    for (const RankResult& result : run_ranks(size, "rank: shares the windows")) {
      CATCH_INFO(result.text);
      CATCH_REQUIRE(result.status == 0);
    }
  }
}

CATCH_TEST_CASE("when one rank's share fails the others end, too") {
  for (const RankResult& result : run_ranks(2, "rank: fails in its share")) {
    CATCH_INFO(result.text);
    CATCH_REQUIRE(result.status == 0);
  }
}

}  // namespace prune2to4
