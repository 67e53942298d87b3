// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/input_capture.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "calibration/linear_observer.h"
#include "calibration/moments.h"
#include "calibration/staged_forward.h"
#include "prune2to4/batches.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/progress.h"
#include "prune2to4/runner.h"

namespace prune2to4 {
namespace {

// One run of the capture.
class Capture {
 public:
  Capture(const torch::jit::Module& model, at::Device device, const std::vector<std::string>& weights,
          const TokenizedSquad& data, const std::vector<int64_t>& windows, const CaptureOptions& options)
      : model_(model),
        device_(device),
        data_(data),
        batches_(plan_batches(data, windows, {.tokens = options.batch_tokens})),
        limit_(options.moment_bytes),
        runner_("calibration", model, device, {.engine = false}) {
    const TextLimits& limits = runner_.limits();
    data.check_fits(limits.vocabulary, limits.segments, limits.positions);
    if (runner_.fixed_length() > 0) data.check_fits(0, 0, runner_.fixed_length());
    for (const auto& named : model.named_parameters()) {
      if (std::find(weights.begin(), weights.end(), named.name) == weights.end()) continue;
      names_.emplace(named.value.unsafeGetTensorImpl(), named.name);
    }
    learn_inputs();
  }

  void run_sequentially(const torch::jit::Module& pruned,
                        const std::function<void(const CapturedInput&)>& use) {
    std::vector<std::string> leaders;
    for (const CapturedInput& input : inputs_) leaders.push_back(input.weights.front());
    const auto dense_stages = StagedForward::cut(model_, leaders);
    const auto pruned_stages = StagedForward::cut(pruned, leaders);
    if (dense_stages && pruned_stages) return run_staged(*dense_stages, *pruned_stages, use);
    Runner runner("calibration", pruned, device_, {.engine = false});
    Progress progress("calibrate", static_cast<int64_t>(batches_.size() * inputs_.size()));
    for (size_t i = 0; i < inputs_.size(); ++i) {
      clear_pair(i);
      accumulate_pair(i, runner, parameter_named(pruned, inputs_[i].weights.front()), progress);
      hand_over(i, use);
    }
    progress.finish();
  }

  void run(const std::function<void(const CapturedInput&)>& use) {
    const std::vector<size_t> passes = plan_passes();
    Progress progress("calibrate", static_cast<int64_t>(batches_.size() * (passes.size() - 1)));
    for (size_t i = 0; i + 1 < passes.size(); ++i) {
      accumulate(passes[i], passes[i + 1], progress);
      for (size_t input = passes[i]; input < passes[i + 1]; ++input) hand_over(input, use);
    }
    progress.finish();
  }

 private:
  using Key = const at::TensorImpl*;

  // A batch on its way through both models.
  struct StagedBatch {
    RealTokens real;
    StagedForward::State dense;
    StagedForward::State pruned;
  };

  // Holds what lives between two stages of both models, of all windows at once: for a BERT a few hidden
  // states and one feed-forward's inner activation.
  void run_staged(const StagedForward& dense, const StagedForward& pruned,
                  const std::function<void(const CapturedInput&)>& use) {
    const at::NoGradGuard no_gradients;
    std::vector<StagedBatch> batches;
    for (const auto& windows : batches_) {
      for_each_part(windows, [&](const TextBatch& batch) {
        const auto inputs = forward_inputs(model_, batch, device_);
        batches.push_back({real_, dense.begin(inputs), pruned.begin(inputs)});
      });
    }
    Progress progress("calibrate", static_cast<int64_t>(batches.size() * inputs_.size()));
    for (size_t i = 0; i < inputs_.size(); ++i) {
      clear_pair(i);
      for (StagedBatch& batch : batches) {
        throw_if_interrupted();
        with_forward_errors("calibration", [&] {
          const at::Tensor dense_rows = real_rows(dense.run(i, batch.dense), batch.real);
          add_moments(dense_rows, real_rows(pruned.run(i, batch.pruned), batch.real), inputs_[i].moments);
        });
        progress.advance(inputs_[i].weights.front());
      }
      hand_over(i, use);
    }
    progress.finish();
  }

  void hand_over(size_t input, const std::function<void(const CapturedInput&)>& use) {
    throw_if_interrupted();
    use(inputs_[input]);
    inputs_[input].moments = {};
  }

  // Which weights read the same tensor in every call, from the shortest window alone.
  void learn_inputs() {
    std::vector<at::Tensor> alive;  // so that no two inputs have one address
    std::vector<Key> order;
    std::map<Key, std::vector<Key>> reads;
    std::map<Key, int64_t> widths;
    run_batch(runner_, {batches_.back().back()}, [&](const at::Tensor& input, Key weight) {
      if (!names_.contains(weight)) return;
      alive.push_back(input);
      if (!reads.contains(weight)) order.push_back(weight);
      reads[weight].push_back(input.unsafeGetTensorImpl());
      widths[weight] = input.size(-1);
    });
    std::map<std::vector<Key>, size_t> known;
    for (const Key weight : order) {
      const auto [input, added] = known.emplace(reads.at(weight), inputs_.size());
      if (added) {
        inputs_.emplace_back();
        widths_.push_back(widths.at(weight));
        leaders_.emplace(weight, input->second);
      }
      inputs_[input->second].weights.push_back(names_.at(weight));
    }
  }

  int64_t bytes_of(size_t input) const {
    return (widths_[input] + 1) * widths_[input] * static_cast<int64_t>(sizeof(float));
  }

  // First input of each pass, and the end.
  std::vector<size_t> plan_passes() const {
    std::vector<size_t> passes{0};
    int64_t bytes = 0;
    for (size_t input = 0; input < inputs_.size(); ++input) {
      if (bytes > 0 && bytes + bytes_of(input) > limit_) {
        passes.push_back(input);
        bytes = 0;
      }
      bytes += bytes_of(input);
    }
    passes.push_back(inputs_.size());
    return passes;
  }

  void clear_moments(size_t input) {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(device_);
    InputMoments& moments = inputs_[input].moments;
    moments = {};
    moments.products = at::zeros({widths_[input], widths_[input]}, options);
    moments.sums = at::zeros({widths_[input]}, options);
  }

  // The same, and moments of a pair.
  void clear_pair(size_t input) {
    clear_moments(input);
    InputMoments& moments = inputs_[input].moments;
    moments.cross = at::zeros_like(moments.products);
    moments.dense_products = at::zeros_like(moments.products);
    moments.dense_sums = at::zeros_like(moments.sums);
  }

  // `weight`: the leader of the input in the pruned model.
  void accumulate_pair(size_t input, Runner& pruned, const at::Tensor& weight, Progress& progress) {
    for (const auto& batch : batches_) {
      throw_if_interrupted();
      std::vector<at::Tensor> dense;  // by call
      run_batch(runner_, batch, [&](const at::Tensor& seen, Key called) {
        const auto found = leaders_.find(called);
        if (found != leaders_.end() && found->second == input) dense.push_back(real_rows(seen, real_));
      });
      size_t call = 0;
      run_batch(pruned, batch, [&](const at::Tensor& seen, Key called) {
        if (called != weight.unsafeGetTensorImpl() || call == dense.size()) return;
        add_moments(dense[call++], real_rows(seen, real_), inputs_[input].moments);
      });
      progress.advance("windows");
    }
  }

  void accumulate(size_t first, size_t last, Progress& progress) {
    for (size_t input = first; input < last; ++input) clear_moments(input);
    for (const auto& batch : batches_) {
      throw_if_interrupted();
      run_batch(runner_, batch, [&](const at::Tensor& input, Key weight) {
        const auto found = leaders_.find(weight);
        if (found == leaders_.end() || found->second < first || found->second >= last) return;
        add_moments(real_rows(input, real_), inputs_[found->second].moments);
      });
      progress.advance("windows");
    }
  }

  void run_batch(Runner& runner, const std::vector<int64_t>& windows,
                 const std::function<void(const at::Tensor&, Key)>& see) {
    for_each_part(windows, [&](const TextBatch& batch) {
      const LinearObserver observer([&](const at::Tensor& input, const at::Tensor& weight) {
        see(input, weight.unsafeGetTensorImpl());
      });
      runner.run(batch);
      observer.rethrow();
    });
  }

  // The windows in batches of the size that the model takes; real_ is then the batch's.
  void for_each_part(const std::vector<int64_t>& windows,
                     const std::function<void(const TextBatch&)>& visit) {
    const auto count = static_cast<int64_t>(windows.size());
    const int64_t most = runner_.fixed_batch() > 0 ? runner_.fixed_batch() : count;
    for (int64_t first = 0; first < count; first += most) {
      const auto part = std::span(windows).subspan(static_cast<size_t>(first),
                                                   static_cast<size_t>(std::min(most, count - first)));
      const int64_t length =
          runner_.fixed_length() > 0 ? runner_.fixed_length() : data_.length(windows.front());
      const TextBatch batch = fill_batch(data_, part, most, length);
      real_ = real_tokens(batch, static_cast<int64_t>(part.size()));
      visit(batch);
    }
  }

  // Rows beyond `count` repeat the first one.
  RealTokens real_tokens(const TextBatch& batch, int64_t count) const {
    RealTokens real{batch.input_ids.size(0), batch.input_ids.size(1), {}};
    const at::Tensor places = batch.attention_mask.narrow(0, 0, count).flatten().nonzero().flatten();
    if (places.size(0) < real.rows * real.length) real.places = places.to(device_);
    return real;
  }

  torch::jit::Module model_;
  at::Device device_;
  const TokenizedSquad& data_;
  std::vector<std::vector<int64_t>> batches_;
  int64_t limit_;
  Runner runner_;
  std::unordered_map<Key, std::string> names_;  // of the weights looked for
  std::vector<CapturedInput> inputs_;
  std::vector<int64_t> widths_;              // of each input
  std::unordered_map<Key, size_t> leaders_;  // the weight whose calls accumulate an input
  RealTokens real_;                          // of the batch that runs
};

}  // namespace

std::vector<int64_t> spread_windows(int64_t windows, int64_t count) {
  std::vector<int64_t> chosen;
  const int64_t some = std::min(windows, count);
  for (int64_t i = 0; i < some; ++i) chosen.push_back(i * windows / some);
  return chosen;
}

void capture_sequentially(const torch::jit::Module& model, const torch::jit::Module& pruned,
                          at::Device device, const std::vector<std::string>& weights,
                          const TokenizedSquad& data, const std::vector<int64_t>& windows,
                          const CaptureOptions& options,
                          const std::function<void(const CapturedInput&)>& use) {
  Capture(model, device, weights, data, windows, options).run_sequentially(pruned, use);
}

void capture_inputs(const torch::jit::Module& model, at::Device device,
                    const std::vector<std::string>& weights, const TokenizedSquad& data,
                    const std::vector<int64_t>& windows, const CaptureOptions& options,
                    const std::function<void(const CapturedInput&)>& use) {
  Capture(model, device, weights, data, windows, options).run(use);
}

}  // namespace prune2to4
