// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "prune2to4/comm.h"
#include "train/parameters.h"

namespace prune2to4 {

// The flat gradients cut into ranges of some 25 MiB, each summed over the ranks as soon as the backward pass
// has made the last of its gradients (torch/nn/parallel/distributed.py). Ranges go out in one order on all
// ranks.
class GradientBuckets {
 public:
  // With one rank nothing is hooked.
  GradientBuckets(Parameters& parameters, Comm& comm);

  // From here on gradients that arrive are the last of their step.
  void begin();
  // Sends what is left. The sums are there after Comm::wait().
  void finish();

 private:
  struct Bucket {
    at::Tensor range;
    int64_t parameters = 0;
    int64_t missing = 0;
  };

  void arrived(size_t bucket);
  void send_ready(bool all);

  Comm& comm_;
  bool active_ = false;
  size_t sent_ = 0;
  std::vector<Bucket> buckets_;  // in the order in which they go out
};

}  // namespace prune2to4
