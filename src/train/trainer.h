// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/divergence.h"
#include "prune2to4/progress.h"
#include "prune2to4/train.h"
#include "train/checkpoint.h"
#include "train/device_module.h"
#include "train/forward_backward.h"
#include "train/network.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/teacher.h"

namespace prune2to4 {

// One training run from its start or a checkpoint to its end.
class Trainer {
 public:
  Trainer(torch::jit::Module& module, const std::vector<PrunedWeight>& pruned, const TokenizedSquad& data,
          const TrainOptions& options);
  TrainingRun run();

 private:
  // What a step has left on the device, read one step later.
  struct StepResult {
    double loss = 0;
    double label = 0;
    double distill = 0;
    bool stop = false;  // a rank got a signal
    bool skipped = false;
    double gradient_norm = 0;
  };

  using Clock = std::chrono::steady_clock;

  static constexpr int64_t kWarmSteps = 20;  // not timed, when there are at least twice as many

  // trainer.cpp: the loop.
  void begin();
  void start_over();
  const std::vector<std::vector<int64_t>>& batches_of(int64_t epoch);
  std::vector<std::vector<int64_t>> windows_of(int64_t step);  // by forward pass, of all ranks
  void prepare(int64_t step);                                  // fills next_
  void launch(int64_t step);                                   // what is in next_
  StepResult finish();                                         // waits for it
  void time_step(Clock::time_point start);
  bool went_back(const StepResult& result);
  void count(const StepResult& result);

  // trainer_end.cpp: what ends an epoch, and the run.
  void end_epoch();
  std::string bad_values();  // why the model's present state is of no use; empty: it is
  void check_result();
  void end_run();

  // trainer_state.cpp: checkpoints.
  void describe_identity();
  void use_average();
  std::vector<NamedTensor> state_tensors() const;
  bool saves_after(int64_t step) const;
  void save(int64_t next_step);
  void check_identity(const Checkpoint& checkpoint) const;
  void restore(const Checkpoint& checkpoint);
  void resume();
  void end_saved_epoch();
  void go_back();
  [[noreturn]] void stop(int64_t done);
  void check_ranks();

  torch::jit::Module& source_;
  const std::vector<PrunedWeight>& pruned_;
  const TokenizedSquad& data_;
  TrainOptions options_;
  std::unique_ptr<Comm> single_;
  Comm& comm_;
  Precision precision_;
  int64_t windows_;  // to train on
  Schedule schedule_;
  DeviceModule model_;
  NetworkOptions network_options_;
  std::unique_ptr<Network> network_;
  std::optional<Teacher> teacher_;
  Optimizer optimizer_;
  std::unique_ptr<ForwardBackward> passes_;
  std::map<std::string, std::string> identity_;  // of the run: what a checkpoint must have, too
  TrainingRun run_;

  int64_t first_step_ = 0;
  int64_t step_ = 0;
  double rate_factor_ = 1;
  StepTally tally_;
  bool has_checkpoint_ = false;  // of this run
  int64_t epoch_ = -1;           // of batches_
  std::vector<std::vector<int64_t>> batches_;

  TrainingPoint sum_;  // over the steps since the last point
  int64_t summed_ = 0;
  double epoch_loss_ = 0;  // sum over the epoch so far
  int64_t epoch_steps_ = 0;
  double epoch_seconds_ = 0;
  int64_t steps_here_ = 0;         // done by this process
  double seconds_before_ = 0;      // of a run that this one goes on from
  double warm_seconds_ = 0;        // of this process's first steps
  std::vector<PackedBatch> next_;  // on the host: the forward passes of the step to come
};

}  // namespace prune2to4
