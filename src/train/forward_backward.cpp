// SPDX-License-Identifier: Apache-2.0
#include "train/forward_backward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "prune2to4/error.h"

namespace prune2to4 {

ForwardBackward::ForwardBackward(Network& network, DeviceModule& model, Optimizer& optimizer, Comm& comm,
                                 Options options)
    : network_(network),
      model_(model),
      optimizer_(optimizer),
      comm_(comm),
      options_(std::move(options)),
      buckets_(model.parameters, comm),
      sums_(at::zeros({kSums}, model.parameters.values.options())) {}

void ForwardBackward::set_hidden_teacher(const torch::jit::Module& teacher) {
  teacher_model_.emplace(teacher, std::vector<PrunedWeight>{}, options_.device);
  NetworkOptions how{options_.device, options_.recipe.precision.value_or(Precision::kFp32), {}};
  teacher_ = make_network(teacher_model_->module, teacher_model_->parameters, 0.0, how);
  if (teacher_->layers() == 0 || teacher_->layers() != network_.layers() ||
      teacher_->width() != network_.width()) {
    throw Error(
        ExitStatus::kUsage, "recipe",
        "hidden_weight: the hidden states of model and teacher can be compared only when both are BERT "
        "encoders with the same number of layers and the same width; set it to 0");
  }
}

void ForwardBackward::begin_step(bool stop) {
  model_.parameters.gradients.zero_();
  sums_.zero_();
  if (stop) sums_.narrow(0, kSums - 1, 1).fill_(1);
}

void ForwardBackward::record_or_run(std::unique_ptr<CapturedWork>& work, bool seen,
                                    const std::function<void()>& task) {
  if (!options_.capture || !seen) return task();
  if (!work) work = cuda_backend().capture(options_.device, task);
  work->replay();
}

void ForwardBackward::pass(const PackedBatch& batch, bool last) {
  if (!options_.capture) return compute(batch.to(options_.device), last);
  Recorded& recorded = recorded_[{batch.tokens(), last}];
  const bool seen = recorded.batch.sequences > 0;
  if (seen) {
    recorded.batch.copy_from(batch);
  } else {
    recorded.batch = batch.to(options_.device);
  }
  record_or_run(recorded.work, seen, [&] { compute(recorded.batch, last); });
}

void ForwardBackward::update() {
  record_or_run(update_, updated_, [&] {
    prune2to4::update(model_.parameters, optimizer_, options_.recipe, sums_.select(0, 0));
  });
  updated_ = true;
}

void ForwardBackward::compute(const PackedBatch& batch, bool last) {
  if (last) buckets_.begin();
  std::vector<at::Tensor> hidden;
  const SpanLogits logits = network_.forward(batch, true, teacher_ ? &hidden : nullptr);
  Loss loss = span_loss(logits, batch, options_.recipe);
  if (teacher_) loss.total = loss.total + hidden_loss(hidden, batch) * options_.recipe.hidden_weight;
  torch::autograd::backward(torch::autograd::variable_list{(loss.total * optimizer_.scale).sum()});
  const at::NoGradGuard no_gradients;
  const at::Tensor distill = loss.distill.defined() ? loss.distill : at::zeros_like(loss.total);
  sums_.narrow(0, 0, 3).add_(at::stack({loss.total, loss.label, distill}));
  if (!last || comm_.size() == 1) return;
  buckets_.finish();
  comm_.all_reduce(sums_);
  comm_.wait();
}

// The mean square over the layers and over each sequence's tokens, each sequence with its weight.
at::Tensor ForwardBackward::hidden_loss(const std::vector<at::Tensor>& hidden,
                                        const PackedBatch& batch) const {
  std::vector<at::Tensor> wanted;
  {
    const at::NoGradGuard no_gradients;
    teacher_->forward(batch, false, &wanted);
  }
  const at::Tensor row_weight = batch.weight / batch.real.sum(1);
  const at::Tensor weight = at::cat({row_weight, at::zeros({1}, row_weight.options())})
                                .index({batch.places.floor_divide(batch.width)});
  at::Tensor sum = at::zeros({}, row_weight.options());
  for (size_t i = 0; i < hidden.size(); ++i) {
    const at::Tensor difference = hidden[i].to(at::kFloat) - wanted[i].to(at::kFloat);
    sum = sum + (difference.square().mean(1) * weight).sum();
  }
  return sum / static_cast<double>(hidden.size());
}

}  // namespace prune2to4
