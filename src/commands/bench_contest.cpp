// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_contest.h"

#include <algorithm>
#include <filesystem>

#include "commands/model_files.h"
#include "prune2to4/bench.h"
#include "prune2to4/error.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

constexpr int64_t kLength = 384;
constexpr int64_t kCpuWindows = 16;
constexpr int64_t kGpuWindows = 2048;

[[noreturn]] void refuse(const std::string& message) { throw Error(ExitStatus::kUsage, "bench", message); }

// What cannot be inlined may still run as it is.
std::optional<InlinedModel> inlined(const torch::jit::Module& module, const BenchOptions& options) {
  try {
    return InlinedModel(module, options.trust_model);
  } catch (const Error&) {
    if (chosen_dtype(options.dtype)) throw;
    return std::nullopt;
  }
}

void add(const std::string& name, const std::string& sha256, torch::jit::Module module,
         std::optional<InlinedModel> graph, const BenchOptions& options, at::Device device,
         Contestants& contestants) {
  if (const auto dtype = chosen_dtype(options.dtype)) graph->to(*dtype);
  if (graph) {
    module = graph->rewrite({}, device);
  } else {
    module.to(device);
  }
  const at::ScalarType type = floating_type(module);
  const RunnerOptions how{options.engine == "auto", options.padding == "remove"};
  const Runner& runner = contestants.runners.emplace_back(name, module, device, how);
  contestants.models.push_back({name, sha256, runner.engine(), dtype_name(type), runner.removes_padding(),
                                weight_bytes(module, type), peak_teraflops(device, type)});
  if (!contestants.size) contestants.size = encoder_size(module);
}

// Of what one model says; 0: it does not.
template <typename Number>
int64_t least(const std::deque<Runner>& runners, const Number& number) {
  int64_t found = 0;
  for (const Runner& runner : runners) {
    const int64_t each = number(runner);
    if (each > 0 && (found == 0 || each < found)) found = each;
  }
  return found;
}

void check_fixed(const std::string& option, int64_t wanted, int64_t fixed, const Runner& runner) {
  if (fixed == 0 || fixed == wanted) return;
  refuse("--" + option + " " + std::to_string(wanted) + ": " + runner.name() + " takes " +
         std::to_string(fixed) + " only, which its trace has wired in");
}

std::vector<int64_t> choose_batches(const BenchOptions& options, const Contestants& contestants,
                                    const TokenizedSquad* data) {
  const auto& runners = contestants.runners;
  std::vector<int64_t> batches = options.batches;
  if (batches.empty()) {
    batches =
        runners.front().device().is_cpu() ? std::vector<int64_t>{1, 4} : std::vector<int64_t>{4, 16, 64, 256};
    const int64_t fixed = least(runners, [](const Runner& runner) { return runner.fixed_batch(); });
    if (fixed > 0) batches = {fixed};
    if (data != nullptr) std::erase_if(batches, [&](int64_t each) { return each > data->windows(); });
  }
  for (const int64_t batch : batches) {
    for (const Runner& runner : runners) check_fixed("batch", batch, runner.fixed_batch(), runner);
    if (data != nullptr && batch > data->windows()) {
      refuse("--batch " + std::to_string(batch) + ": " + data->file() + " has only " +
             std::to_string(data->windows()) + " windows");
    }
  }
  if (batches.empty()) refuse("no size of batch fits " + data->file() + "; name one with --batch");
  return batches;
}

std::vector<int64_t> choose_lengths(const BenchOptions& options, const Contestants& contestants,
                                    const TokenizedSquad* data) {
  const auto& runners = contestants.runners;
  const int64_t positions = contestants.positions();
  std::vector<int64_t> lengths = options.lengths;
  if (lengths.empty()) {
    const int64_t wanted = data != nullptr ? data->width() : kLength;
    const int64_t fixed = least(runners, [](const Runner& runner) { return runner.fixed_length(); });
    lengths = {fixed > 0 ? fixed : positions > 0 ? std::min(wanted, positions) : wanted};
  }
  for (const int64_t length : lengths) {
    if (positions > 0 && length > positions) {
      refuse("--length " + std::to_string(length) + ": the model takes at most " + std::to_string(positions) +
             " tokens");
    }
    for (const Runner& runner : runners) check_fixed("length", length, runner.fixed_length(), runner);
  }
  return lengths;
}

int64_t choose_windows(const BenchOptions& options, const BenchShapes& shapes, const TokenizedSquad& data,
                       at::Device device) {
  const int64_t fits = device.is_cpu() ? kCpuWindows : kGpuWindows;
  const int64_t largest = *std::max_element(shapes.batches.begin(), shapes.batches.end());
  const int64_t wanted = options.windows > 0 ? options.windows : std::max(fits, largest);
  if (wanted < largest) {
    refuse("--windows " + std::to_string(wanted) + " fill no batch of " + std::to_string(largest));
  }
  const int64_t windows = std::min(wanted, data.windows());
  const int64_t shortest = *std::min_element(shapes.lengths.begin(), shapes.lengths.end());
  for (int64_t window = 0; window < windows; ++window) {
    if (data.length(window) <= shortest) continue;
    refuse("--length " + std::to_string(shortest) + ": window " + std::to_string(window) + " of " +
           data.file() + " has " + std::to_string(data.length(window)) + " tokens");
  }
  return windows;
}

}  // namespace

int64_t Contestants::positions() const {
  return least(runners, [](const Runner& runner) { return runner.limits().positions; });
}

int64_t Contestants::vocabulary() const {
  return least(runners, [](const Runner& runner) { return runner.limits().vocabulary; });
}

Contestants load_contestants(const BenchOptions& options, at::Device device) {
  Contestants contestants;
  std::string sha256;
  const torch::jit::Module module = load_model(options.model, options.trust_model, sha256);
  auto graph = inlined(module, options);
  std::optional<torch::jit::Module> twin;
  if (options.baseline.empty() && !options.no_baseline && graph && graph->packed_calls() > 0) {
    twin = graph->dense_twin();
  }
  if (options.min_speedup && options.baseline.empty() && !twin) {
    refuse(
        "--min-speedup needs a baseline, and this model has no packed layer that could run dense; name "
        "one with --baseline");
  }
  const auto name_of = [](const std::string& path) {
    return std::filesystem::path(path).filename().string();
  };
  add(name_of(options.model), sha256, module, std::move(graph), options, device, contestants);
  if (twin) {
    add("dense twin", "", *twin, InlinedModel(*twin, options.trust_model), options, device, contestants);
  } else if (!options.baseline.empty()) {
    const torch::jit::Module baseline = load_model(options.baseline, options.trust_model, sha256);
    const std::string name = name_of(options.baseline);
    const bool same = name == contestants.models.front().name;
    add(same ? name + " (baseline)" : name, sha256, baseline, inlined(baseline, options), options, device,
        contestants);
  }
  return contestants;
}

BenchShapes choose_shapes(const BenchOptions& options, const Contestants& contestants,
                          const TokenizedSquad* data) {
  BenchShapes shapes{choose_batches(options, contestants, data), choose_lengths(options, contestants, data),
                     0};
  if (data == nullptr) return shapes;
  for (const Runner& runner : contestants.runners) {
    const TextLimits& limits = runner.limits();
    data->check_fits(limits.vocabulary, limits.segments, limits.positions);
  }
  shapes.windows = choose_windows(options, shapes, *data, contestants.runners.front().device());
  return shapes;
}

}  // namespace prune2to4
