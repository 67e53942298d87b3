// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/runner.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

TextBatch batch_of(int64_t rows, int64_t length, int64_t id) {
  return {at::full({rows, length}, id, at::kLong), at::ones({rows, length}, at::kLong),
          at::zeros({rows, length}, at::kLong)};
}

torch::jit::Module forward_module(const std::string& body) {
  torch::jit::Module module("Module");
  module.define("def forward(self, input_ids, attention_mask):\n" + body);
  return module;
}

// What constructing or running throws, with its status.
ExitStatus status_of(const std::function<void()>& action, std::string& message) {
  try {
    action();
  } catch (const Error& error) {
    message = error.what();
    return error.status();
  }
  return ExitStatus::kOk;
}

}  // namespace

CATCH_TEST_CASE("a runner gives start and end logits of any shape, and the model's limits") {
  Runner runner("tokens.pt", token_module(), at::kCPU);
  CATCH_CHECK(runner.fixed_batch() == 0);
  CATCH_CHECK(runner.fixed_length() == 0);
  CATCH_CHECK(runner.limits().vocabulary == 50);
  const SpanLogits logits = runner.run(batch_of(3, 17, 7));
  CATCH_CHECK(logits.start.sizes() == at::IntArrayRef{3, 17});
  CATCH_CHECK(logits.start.eq(7).all().item<bool>());
  CATCH_CHECK(logits.end.eq(8).all().item<bool>());
}

CATCH_TEST_CASE("a shape that a trace wired in is learned") {
  const Runner any_batch("tokens.pt", token_module("input_ids.view([-1, 32])"), at::kCPU);
  CATCH_CHECK(any_batch.fixed_length() == 32);
  CATCH_CHECK(any_batch.fixed_batch() == 0);
  const Runner whole("tokens.pt", token_module("input_ids.view([2, 32])"), at::kCPU);
  CATCH_CHECK(whole.fixed_length() == 32);
  CATCH_CHECK(whole.fixed_batch() == 2);
}

CATCH_TEST_CASE("half-precision logits, one tensor of both, and dictionaries become float32 start and end") {
  Runner joined("joined.pt",
                forward_module("  x = torch.stack([input_ids, input_ids + 1], dim=-1).half()\n  return x\n"),
                at::kCPU);
  const SpanLogits logits = joined.run(batch_of(2, 5, 3));
  CATCH_CHECK(logits.start.scalar_type() == at::kFloat);
  CATCH_CHECK(logits.start.is_contiguous());
  CATCH_CHECK(logits.end.eq(4).all().item<bool>());
  Runner named(
      "named.pt",
      forward_module("  x = input_ids.float()\n  return {'start_logits': x, 'end_logits': x + 2.0}\n"),
      at::kCPU);
  CATCH_CHECK(named.run(batch_of(1, 4, 3)).end.eq(5).all().item<bool>());
}

CATCH_TEST_CASE("what a runner cannot use is refused, naming the model") {
  std::string message;
  CATCH_CHECK(status_of([] { Runner("m.pt", forward_module("  return input_ids\n"), at::kCPU); }, message) ==
              ExitStatus::kModel);
  CATCH_CHECK_THAT(message, Contains("m.pt: forward gives no start and end logits"));
  torch::jit::Module other("Module");
  other.define("def forward(self, pixels):\n  return pixels\n");
  CATCH_CHECK(status_of([&] { Runner("m.pt", other, at::kCPU); }, message) == ExitStatus::kModel);
  CATCH_CHECK_THAT(message, Contains("export_bert.py"));
  CATCH_CHECK(status_of(
                  [] {
                    Runner("m.pt", forward_module("  assert input_ids.size(0) > 9999\n  return input_ids\n"),
                           at::kCPU);
                  },
                  message) == ExitStatus::kModel);
  CATCH_CHECK_THAT(message, Contains("m.pt: forward failed"));
  const std::string mixed = "  x = torch.mm(torch.ones(2, 2).half(), torch.ones(2, 2))\n  return x\n";
  CATCH_CHECK(status_of([&] { Runner("m.pt", forward_module(mixed), at::kCPU); }, message) ==
              ExitStatus::kModel);
  CATCH_CHECK_THAT(message, Contains("m.pt: forward failed") && Contains("leave --dtype out"));
}

CATCH_TEST_CASE("an id that no embedding has is the data's fault, if the model did not tell its limits") {
  Runner runner("tokens.pt", token_module(), at::kCPU);
  std::string message;
  CATCH_CHECK(status_of([&] { runner.run(batch_of(1, 4, 50)); }, message) == ExitStatus::kData);
  CATCH_CHECK_THAT(message, Contains("out of the range of the model's embeddings"));
}

}  // namespace prune2to4
