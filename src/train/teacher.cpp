// SPDX-License-Identifier: Apache-2.0
#include "train/teacher.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <chrono>
#include <cmath>

#include "prune2to4/atomic_file.h"
#include "prune2to4/batches.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/log.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/progress.h"
#include "prune2to4/safetensors.h"
#include "prune2to4/table.h"
#include "prune2to4/tensor_view.h"
#include "prune2to4/training_options.h"
#include "train/device_module.h"
#include "train/network.h"

namespace prune2to4 {
namespace {

constexpr int64_t kBatchTokens = 16384;

std::map<std::string, std::string> cache_metadata(const TrainOptions& options) {
  return {{"format", kTeacherCacheFormat},
          {"teacher_sha256", options.teacher_sha256},
          {"data_sha256", options.checkpoint.data_sha256},
          {"temperature", format_number(options.recipe.temperature, 9)}};
}

}  // namespace

Teacher::Teacher(const TokenizedSquad& data, const TrainOptions& options) : data_(data) {
  int64_t tokens = 0;
  for (int64_t window = 0; window < data.windows(); ++window) {
    offsets_.push_back(tokens);
    tokens += data.length(window);
  }
  logits_ = at::zeros({2, tokens}, at::kFloat);
  if (read_cache(options)) return;
  const auto start = std::chrono::steady_clock::now();
  compute(options);
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  description_ = options.teacher_name + " (logits computed once, " + format_seconds(passed.count()) + ")";
  write_cache(options);
}

void Teacher::compute(const TrainOptions& options) {
  const at::NoGradGuard no_gradients;
  const int rank = options.comm != nullptr ? options.comm->rank() : 0;
  const int size = options.comm != nullptr ? options.comm->size() : 1;
  const double temperature = options.recipe.temperature;
  const auto batches = plan_batches(data_, data_.windows(), {kBatchTokens, 0});
  bool first = true;
  for (const torch::jit::Module& module : options.teachers) {
    DeviceModule copy(module, {}, options.device);
    NetworkOptions how{options.device, Precision::kFp32, {}};
    const auto network = make_network(copy.module, copy.parameters, 0.0, how);
    Progress progress("teacher", static_cast<int64_t>(batches.size()));
    for (size_t i = static_cast<size_t>(rank); i < batches.size(); i += static_cast<size_t>(size)) {
      throw_if_interrupted();
      PackedShape shape = network->shape(data_);
      shape.sequences = static_cast<int64_t>(batches[i].size());
      const PackedBatch batch = pack_batch(data_, batches[i], shape).to(options.device);
      const SpanLogits logits = network->forward(batch, false, nullptr);
      const at::Tensor both =
          at::log_softmax(at::stack({logits.start, logits.end}) / temperature, -1).to(at::kCPU);
      for (size_t row = 0; row < batches[i].size(); ++row) {
        const int64_t window = batches[i][row];
        at::Tensor target = logits_.narrow(1, offsets_[static_cast<size_t>(window)], data_.length(window));
        const at::Tensor source =
            both.select(1, static_cast<int64_t>(row)).narrow(1, 0, data_.length(window));
        target.copy_(first ? source : at::logaddexp(target, source));
      }
      progress.advance("batches", size);
    }
    progress.finish();
    first = false;
  }
  logits_.sub_(std::log(static_cast<double>(options.teachers.size()))).mul_(temperature);
  if (size > 1) {
    // What other ranks computed is still 0 less the constant here.
    at::Tensor mine = at::zeros_like(logits_);
    for (size_t i = static_cast<size_t>(rank); i < batches.size(); i += static_cast<size_t>(size)) {
      for (const int64_t window : batches[i]) {
        const int64_t at = offsets_[static_cast<size_t>(window)];
        mine.narrow(1, at, data_.length(window)).copy_(logits_.narrow(1, at, data_.length(window)));
      }
    }
    at::Tensor all = mine.to(options.device);
    options.comm->all_reduce(all);
    options.comm->wait();
    logits_.copy_(all);
  }
}

bool Teacher::read_cache(const TrainOptions& options) {
  if (options.teacher_cache.empty() || !std::filesystem::exists(options.teacher_cache)) return false;
  const Safetensors file = Safetensors::open(options.teacher_cache, "teacher");
  const TensorView* logits = file.find("logits");
  const std::vector<uint64_t> shape{2, static_cast<uint64_t>(logits_.size(1))};
  if (file.metadata() != cache_metadata(options) || logits == nullptr || logits->dtype != "F32" ||
      logits->shape != shape) {
    log::warn("[teacher] " + options.teacher_cache.string() +
              " is of another teacher, data or temperature; it is made anew");
    return false;
  }
  std::copy(logits->bytes.begin(), logits->bytes.end(), static_cast<std::byte*>(logits_.mutable_data_ptr()));
  description_ = options.teacher_name + " (logits from the cache)";
  return true;
}

void Teacher::write_cache(const TrainOptions& options) const {
  if (options.teacher_cache.empty() || (options.comm != nullptr && options.comm->rank() != 0)) return;
  AtomicFile file(options.teacher_cache);
  write_safetensors({view_of({"logits", logits_})}, cache_metadata(options), file);
  file.commit();
}

void Teacher::fill(const std::vector<int64_t>& windows, PackedBatch& batch) const {
  batch.teacher_start = at::full({batch.sequences, batch.width}, kNoLogit, at::kFloat);
  batch.teacher_end = at::full({batch.sequences, batch.width}, kNoLogit, at::kFloat);
  const auto* logits = logits_.const_data_ptr<float>();
  for (int64_t row = 0; row < batch.sequences; ++row) {
    const int64_t window = windows[static_cast<size_t>(row) < windows.size() ? static_cast<size_t>(row) : 0];
    const float* start = logits + offsets_[static_cast<size_t>(window)];
    const float* end = start + logits_.size(1);
    std::copy_n(start, data_.length(window),
                batch.teacher_start.mutable_data_ptr<float>() + row * batch.width);
    std::copy_n(end, data_.length(window), batch.teacher_end.mutable_data_ptr<float>() + row * batch.width);
  }
}

}  // namespace prune2to4
