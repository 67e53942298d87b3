// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/encoder_engine.h"

#include <ATen/ATen.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "model/small_models.h"
#include "model/traced_model.h"
#include "runtime/engine/engine_fixture.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

Runner engine_runner(const torch::jit::Module& module, bool remove_padding = true) {
  return {"m.pt", module, at::kCPU, {true, remove_padding, true}};
}

Runner interpreter(const torch::jit::Module& module) { return {"m.pt", module, at::kCPU, {false}}; }

}  // namespace

CATCH_TEST_CASE("the engine gives the interpreter's logits: every family, dense, packed, mixed, any shape") {
  for (const std::string name : kTracedModels) {
    for (const Packed packed : {Packed::kNone, Packed::kSome, Packed::kAll}) {
      const torch::jit::Module module = pruned(name, packed);
      Runner reference = interpreter(module);
      CATCH_CHECK(reference.engine() == "interpreter");
      for (const bool remove : {true, false}) {
        CATCH_INFO(name << ", packed " << static_cast<int>(packed) << ", padding removed " << remove);
        Runner runner = engine_runner(module, remove);
        CATCH_REQUIRE(runner.engine() == "encoder engine");
        for (int64_t rows = 1; rows <= 7; ++rows) {
          const int64_t width = std::min<int64_t>(rows * rows - 2 * rows + 2, 29);  // 1, 2, 5, 10, 17, 26, 29
          const TextBatch batch = random_batch(name, runner, rows, width);
          const SpanLogits found = runner.run(batch);
          CATCH_CHECK(found.start.sizes() == at::IntArrayRef({rows, width}));
          CATCH_CHECK(found.start.is_contiguous());
          CATCH_CHECK(found.end.is_contiguous());
          CATCH_CHECK(difference(found, reference.run(batch), batch.attention_mask) < 1e-4);
        }
      }
    }
  }
}

CATCH_TEST_CASE("on the CPU the engine runs fp32 and bf16 without being asked") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const torch::jit::Module module = pruned("bert_sdpa_tf4", Packed::kAll, dtype);
    Runner runner("m.pt", module, at::kCPU);
    CATCH_CHECK(runner.engine() == "encoder engine");
    CATCH_CHECK(runner.removes_padding());
    const TextBatch batch = random_batch("bert", runner, 5, 21);
    const double error = difference(runner.run(batch), interpreter(module).run(batch), batch.attention_mask);
    CATCH_CHECK(error < (dtype == at::kFloat ? 1e-4 : 8e-2));
  }
}

CATCH_TEST_CASE("a shape that is rounded up changes no logit") {
  for (const std::string name : kTracedModels) {
    CATCH_INFO(name);
    const torch::jit::Module module = pruned(name, Packed::kAll);
    Runner reference = interpreter(module);
    std::string reason;
    auto spec = find_encoder(module, reason, true);
    CATCH_REQUIRE(spec);
    const auto pass = std::make_shared<EncoderPass>(*spec, lift_weights(module, *spec));
    for (const bool remove : {true, false}) {
      PackRules rules = pass->rules();
      rules.round_up = true;
      rules.remove_padding = remove;
      const TextBatch batch = random_batch(name, reference, 5, 21);
      const auto text = pack_text(batch, rules);
      CATCH_REQUIRE(text);
      CATCH_CHECK(text->shape.tokens == 256);
      const SpanLogits wanted = reference.run(batch);
      double nearest = 1;
      for (const int64_t heads : possible_heads(module, spec->width)) {
        pass->set_heads(heads);
        RecordedPass recorded(pass, *text, 1);
        recorded.run();
        const at::Tensor logits = recorded.logits();
        CATCH_CHECK(logits.sizes() == at::IntArrayRef({2, 5, 21}));
        nearest = std::min(nearest, difference({logits[0], logits[1]}, wanted, batch.attention_mask));
      }
      CATCH_CHECK(nearest < 1e-4);
    }
  }
}

CATCH_TEST_CASE("a prepared batch runs again and again, another one between") {
  const torch::jit::Module module = pruned("bert_sdpa_tf4", Packed::kAll);
  for (const bool engine : {true, false}) {
    Runner runner = engine ? engine_runner(module) : interpreter(module);
    const TextBatch one = random_batch("bert", runner, 3, 9);
    const TextBatch two = random_batch("bert", runner, 3, 9);
    const auto first = runner.prepare(one);
    const auto second = runner.prepare(two);
    first->run();
    second->run();
    first->run();
    CATCH_CHECK(at::equal(first->logits().start, runner.run(one).start));
    CATCH_CHECK(at::equal(second->logits().end, runner.run(two).end));
  }
}

CATCH_TEST_CASE("a shape that comes again has the new batch's logits, in any thread") {
  Runner runner = engine_runner(pruned("tiny_bert", Packed::kAll));
  std::vector<TextBatch> batches;
  std::vector<SpanLogits> wanted;
  for (int i = 0; i < 8; ++i) {
    batches.push_back(random_batch("bert", runner, 1 + i % 3, 7));
    wanted.push_back(runner.run(batches.back()));
  }
  std::atomic<int> wrong = 0;
  const auto work = [&] {
    for (size_t i = 0; i < 200; ++i) {
      const SpanLogits found = runner.run(batches[i % batches.size()]);
      wrong += !at::equal(found.start, wanted[i % batches.size()].start);
    }
  };
  {
    const std::jthread one(work);
    const std::jthread two(work);
  }
  CATCH_CHECK(wrong == 0);
}

CATCH_TEST_CASE("a mask with holes goes through the interpreter, prepared or not") {
  const torch::jit::Module module = pruned("bert_sdpa_tf4", Packed::kAll);
  Runner runner = engine_runner(module);
  TextBatch batch = random_batch("bert", runner, 2, 9);
  batch.attention_mask[0][3] = 0;
  const SpanLogits wanted = interpreter(module).run(batch);
  CATCH_CHECK(at::equal(runner.run(batch).start, wanted.start));
  const auto prepared = runner.prepare(batch);
  prepared->run();
  CATCH_CHECK(at::equal(prepared->logits().end, wanted.end));
}

CATCH_TEST_CASE("kernels are named by layer, query, key and value as one") {
  for (const Packed packed : {Packed::kNone, Packed::kAll}) {
    const auto kernels = engine_runner(pruned("bert_sdpa_tf4", packed)).kernels(64);
    CATCH_REQUIRE(kernels.size() == 8);
    CATCH_CHECK(kernels[0].layer == "bert.encoder.layer.0.attention.self.query+key+value");
    CATCH_CHECK(kernels[5].layer == "bert.encoder.layer.1.attention.output.dense");
    for (const LayerKernel& each : kernels) CATCH_CHECK_FALSE(each.kernel.empty());
  }
  CATCH_CHECK(interpreter(pruned("bert_sdpa_tf4", Packed::kAll)).kernels(64).empty());
}

CATCH_TEST_CASE("a model that is not recognised runs through the interpreter, which says why") {
  Runner other("m.pt", token_module(), at::kCPU, {true, true, true});
  CATCH_CHECK(other.engine() ==
              "interpreter (no BERT encoder was recognised: it has no embeddings.word_embeddings)");
  const TextBatch batch{at::full({2, 5}, 7, at::kLong), at::ones({2, 5}, at::kLong),
                        at::zeros({2, 5}, at::kLong)};
  CATCH_CHECK(other.run(batch).start.eq(7).all().item<bool>());

  // By its names it is one.
  const torch::jit::Module module = traced_model("bert_sdpa_tf4");
  torch::jit::Module outer("Outer");
  for (const char* part : {"bert", "qa_outputs"}) outer.register_module(part, module.attr(part).toModule());
  outer.register_module("inner", module);
  outer.define(R"(
def forward(self, input_ids, attention_mask, token_type_ids):
  x = self.inner.forward(input_ids, attention_mask, token_type_ids)
  return (x[0] * 2.0, x[1])
)");
  const Runner doubled("m.pt", outer, at::kCPU, {true, true, true});
  CATCH_CHECK_THAT(doubled.engine(),
                   StartsWith("interpreter (no BERT encoder was recognised: its logits differ from those of "
                              "a BERT encoder with its parameters by ") &&
                       Contains(" % of the largest, in its head)"));

  CATCH_CHECK(Runner("m.pt", traced_model("bert_sdpa_tf4", at::kHalf), at::kCPU).engine() ==
              "interpreter (on a CPU the encoder engine runs fp32 and bf16)");
}

}  // namespace prune2to4
