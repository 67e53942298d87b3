// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <atomic>
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

// A trace that adds a mask in fp32 to scores in half precision runs nowhere.
bool runs(const torch::jit::Module& module) {
  try {
    const Runner interpreter("m.pt", module, kGpu, {false, true});
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

CATCH_TEST_CASE(
    "on a GPU the engine's logits are those of fp32 on the CPU, each shape as often as it comes") {
  if (!has_gpu()) return;
  int ran = 0;
  int refused = 0;
  for (const std::string name : kTracedModels) {
    for (const Packed packed : {Packed::kNone, Packed::kSome, Packed::kAll}) {
      Runner reference("m.pt", pruned(name, packed), at::kCPU);
      for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
        const bool fit = runs(pruned(name, packed, dtype, kGpu));
        ++(fit ? ran : refused);
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
  CATCH_CHECK(ran > refused);
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

CATCH_TEST_CASE("on a GPU more shapes than are kept, from two threads, and no memory is lost") {
  if (!has_gpu()) return;
  Runner runner = gpu_runner(pruned("tiny_bert", Packed::kAll, at::kHalf, kGpu));
  std::vector<TextBatch> batches;
  std::vector<SpanLogits> wanted;
  for (int64_t rows = 1; rows <= 180; ++rows) {
    batches.push_back(random_batch("bert", runner, rows, 2 + rows % 27));
    wanted.push_back(runner.run(batches.back()));
  }
  std::atomic<int> wrong = 0;
  const auto work = [&] {
    for (size_t i = 0; i < 3 * batches.size(); ++i) {
      // Each three times in a row: recorded, and dropped again.
      const size_t index = i / 3;
      const SpanLogits found = runner.run(batches[index]);
      wrong += !(difference(found, wanted[index], batches[index].attention_mask) < 1e-3);
    }
  };
  const auto work_in_two_threads = [&] {
    const std::jthread one(work);
    const std::jthread two(work);
  };
  work_in_two_threads();
  cuda_backend().reset_peak_bytes(kGpu);
  work_in_two_threads();
  const int64_t before = cuda_backend().peak_bytes(kGpu);
  cuda_backend().reset_peak_bytes(kGpu);
  work_in_two_threads();
  CATCH_CHECK(cuda_backend().peak_bytes(kGpu) <= before + (int64_t{1} << 20));
  CATCH_CHECK(wrong == 0);
}

}  // namespace prune2to4
