// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_buckets.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <functional>
#include <memory>

namespace prune2to4 {
namespace {

constexpr int64_t kBucketElements = (int64_t{25} << 20) / 4;

class AccumulatedHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit AccumulatedHook(std::function<void()> notify) : notify_(std::move(notify)) {}
  void operator()(const torch::autograd::Variable&) override { notify_(); }

 private:
  std::function<void()> notify_;
};

}  // namespace

GradientBuckets::GradientBuckets(Parameters& parameters, Comm& comm) : comm_(comm) {
  if (comm.size() == 1) return;
  std::vector<size_t> bucket_of;
  int64_t begin = 0;
  for (size_t i = 0; i < parameters.list.size(); ++i) {
    const Parameter& parameter = parameters.list[i];
    const int64_t end = parameter.offset + parameter.size;
    bucket_of.push_back(buckets_.size());
    if (end - begin < kBucketElements && i + 1 < parameters.list.size()) continue;
    buckets_.push_back({parameters.gradients.narrow(0, begin, end - begin), 0, 0});
    begin = end;
  }
  // The model's last layers' gradients come first: the last ranges of each group go out first.
  std::reverse(buckets_.begin(), buckets_.end());
  for (size_t i = 0; i < parameters.list.size(); ++i) {
    const size_t bucket = buckets_.size() - 1 - bucket_of[i];
    ++buckets_[bucket].parameters;
    torch::autograd::impl::set_post_acc_grad_hooks(
        parameters.list[i].value, std::make_unique<AccumulatedHook>([this, bucket] { arrived(bucket); }));
  }
}

void GradientBuckets::begin() {
  active_ = !buckets_.empty();
  sent_ = 0;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters;
}

void GradientBuckets::arrived(size_t bucket) {
  if (!active_) return;
  --buckets_[bucket].missing;
  send_ready(false);
}

void GradientBuckets::send_ready(bool all) {
  for (; sent_ < buckets_.size() && (all || buckets_[sent_].missing <= 0); ++sent_) {
    comm_.all_reduce(buckets_[sent_].range);
  }
}

void GradientBuckets::finish() {
  send_ready(true);
  active_ = false;
}

}  // namespace prune2to4
