// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "cuda/gpu.h"
#include "model/traced_model.h"
#include "prune2to4/error.h"
#include "runtime/engine/engine_fixture.h"

namespace prune2to4 {
namespace {

double tolerance(at::ScalarType dtype) { return dtype == at::kHalf ? 1e-2 : 5e-2; }

Runner gpu_runner(const torch::jit::Module& module, bool remove_padding = true) {
  return {"m.pt", module, kGpu, {true, remove_padding}};
}

// Traces in fp32 often do not in half precision: some add a mask in fp32 to the scores, which is refused; in
// others fp32's least number becomes infinite, and the logits NaN.
bool runs(const std::string& name, const torch::jit::Module& module) {
  try {
    Runner interpreter("m.pt", module, kGpu, {false, true});
    const TextBatch batch = random_batch(name, interpreter, 3, 29);
    return std::isfinite(difference(interpreter.run(batch), interpreter.run(batch), batch.attention_mask));
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

CATCH_TEST_CASE(
    "on a GPU the engine's logits are those of fp32 on the CPU, each shape as often as it comes") {
  if (!has_gpu()) return;
  for (const std::string name : kTracedModels) {
    for (const Packed packed : {Packed::kNone, Packed::kSome, Packed::kAll}) {
      Runner reference("m.pt", pruned(name, packed), at::kCPU);
      for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
        const bool fit = runs(name, pruned(name, packed, dtype, kGpu));
        CATCH_CHECK((fit || name != "tiny_bert"));
        if (!fit) continue;
        for (const bool remove : {true, false}) {
          CATCH_INFO(name << ", packed " << static_cast<int>(packed) << ", " << dtype << ", padding removed "
                          << remove);
          Runner runner = gpu_runner(pruned(name, packed, dtype, kGpu), remove);
          CATCH_REQUIRE(runner.engine() == "encoder engine");
          for (int64_t rows = 1; rows <= 12; rows += 1 + rows / 3) {
            // The third time it is recorded, the fourth repeated.
            for (int time = 0; time < 4; ++time) {
              const TextBatch batch = random_batch(name, reference, rows, 29);
              CATCH_CHECK(difference(runner.run(batch), reference.run(batch), batch.attention_mask) <
                          tolerance(dtype));
            }
          }
        }
      }
    }
  }
}

CATCH_TEST_CASE("on a GPU prepared batches keep their own logits, whichever is repeated between") {
  if (!has_gpu()) return;
  Runner dense = gpu_runner(pruned("tiny_bert", Packed::kNone, at::kHalf, kGpu));
  Runner sparse = gpu_runner(pruned("tiny_bert", Packed::kAll, at::kHalf, kGpu));
  const TextBatch one = random_batch("bert", dense, 3, 29);
  const TextBatch two = random_batch("bert", dense, 9, 17);
  std::vector<std::unique_ptr<PreparedBatch>> prepared;
  std::vector<SpanLogits> wanted;
  for (Runner* runner : {&dense, &sparse}) {
    for (const TextBatch* batch : {&one, &two}) {
      prepared.push_back(runner->prepare(*batch));
      wanted.push_back(runner->run(*batch));
    }
  }
  for (int time = 0; time < 5; ++time) {
    for (const auto& each : prepared) each->run();
    for (size_t i = 0; i < prepared.size(); ++i) {
      const at::Tensor mask = i % 2 == 0 ? one.attention_mask : two.attention_mask;
      CATCH_CHECK(difference(prepared[i]->logits(), wanted[i], mask) < 1e-3);
    }
  }
}

CATCH_TEST_CASE("on a GPU 20,000 passes over 200 shapes, more than are kept, and no memory is lost") {
  if (!has_gpu()) return;
  constexpr int kShapes = 200;
  constexpr int kPassesOfThread = 3400;
  Runner runner = gpu_runner(pruned("tiny_bert", Packed::kAll, at::kHalf, kGpu));
  std::vector<TextBatch> batches;
  std::vector<SpanLogits> wanted;
  for (int64_t rows = 1; rows <= kShapes; ++rows) {
    batches.push_back(random_batch("bert", runner, rows, 2 + rows % 27));
    wanted.push_back(runner.run(batches.back()));
  }
  std::atomic<int> wrong = 0;
  const auto work = [&](size_t seed) {
    for (size_t i = 0; i < kPassesOfThread; ++i) {
      // Each three times in a row: recorded, and dropped again.
      const size_t index = (seed + i / 3) * 7919 % kShapes;
      const SpanLogits found = runner.run(batches[index]);
      wrong += !(difference(found, wanted[index], batches[index].attention_mask) < 1e-3);
    }
  };
  const auto peak_of_two_threads = [&] {
    cuda_backend().reset_peak_bytes(kGpu);
    {
      const std::jthread one(work, 0);
      const std::jthread two(work, kShapes / 2);
    }
    return cuda_backend().peak_bytes(kGpu);
  };
  peak_of_two_threads();
  const int64_t before = peak_of_two_threads();
  CATCH_CHECK(peak_of_two_threads() <= before + (int64_t{1} << 20));
  CATCH_CHECK(wrong == 0);
}

}  // namespace prune2to4
