// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "prune2to4/cuda_backend.h"
#include "train/device_module.h"
#include "train/gradient_buckets.h"
#include "train/loss.h"
#include "train/network.h"
#include "train/optimizer.h"

namespace prune2to4 {

// Runs forward and backward passes, and the update behind them. On a GPU whose network allows it, each is
// recorded when its sizes come for the second time, and repeated from then on.
class ForwardBackward {
 public:
  struct Options {
    Recipe recipe;
    at::Device device = at::kCPU;
    bool capture = false;
  };
  ForwardBackward(Network& network, DeviceModule& model, Optimizer& optimizer, Comm& comm, Options options);

  // Compares hidden states with this teacher's from now on.
  void set_hidden_teacher(const torch::jit::Module& teacher);

  void begin_step(bool stop);  // clears gradients and sums
  void pass(const PackedBatch& batch,
            bool last);  // adds to them; the `last` one of a step sums over all ranks
  void update();

  // Sums of the step, fp32 [kSums] on the device: loss, label loss, distillation loss, ranks that were told
  // to stop.
  static constexpr int64_t kSums = 4;
  const at::Tensor& sums() const { return sums_; }

 private:
  // A recorded pass with the memory that it reads.
  struct Recorded {
    PackedBatch batch;
    std::unique_ptr<CapturedWork> work;
  };

  void compute(const PackedBatch& batch, bool last);
  at::Tensor hidden_loss(const std::vector<at::Tensor>& hidden, const PackedBatch& batch) const;
  void record_or_run(std::unique_ptr<CapturedWork>& work, bool seen, const std::function<void()>& task);

  Network& network_;
  DeviceModule& model_;
  Optimizer& optimizer_;
  Comm& comm_;
  Options options_;
  GradientBuckets buckets_;
  at::Tensor sums_;
  std::map<std::pair<int64_t, bool>, Recorded> recorded_;  // by tokens, and whether it is the last of a step
  std::unique_ptr<CapturedWork> update_;
  bool updated_ = false;
  std::optional<DeviceModule> teacher_model_;
  std::unique_ptr<Network> teacher_;
};

}  // namespace prune2to4
