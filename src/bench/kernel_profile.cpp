// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel_profile.h"

#include <ATen/Context.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace prune2to4 {
namespace {

constexpr size_t kLongestName = 60;
constexpr std::string_view kAnonymous = "(anonymous namespace)::";

// Names of libraries' kernels that say what they do only deep inside.
constexpr std::pair<const char*, const char*> kKnown[] = {
    {"Sm90TmaGmmaWarpSpecializedSparse", "2:4 product (CUTLASS)"},
    {"SparseGemm", "2:4 product (CUTLASS)"},
    {"flash_fwd", "flash attention"},
    {"index_copy", "index_copy"},
    {"Memcpy", "copy"},
    {"Memset", "memset"}};

}  // namespace

std::string short_kernel_name(const std::string& name) {
  for (const auto& [part, meaning] : kKnown) {
    if (name.find(part) != std::string::npos) return meaning;
  }
  std::string shorter = name;
  for (size_t at = 0; (at = shorter.find(kAnonymous)) != std::string::npos;)
    shorter.erase(at, kAnonymous.size());
  shorter = shorter.substr(0, shorter.find_first_of("<("));
  if (shorter.starts_with("void ")) shorter.erase(0, 5);
  const size_t space = shorter.rfind("::");
  if (space != std::string::npos && space + 2 < shorter.size()) shorter.erase(0, space + 2);
  return shorter.empty() ? name.substr(0, kLongestName) : shorter.substr(0, kLongestName);
}

std::vector<KernelTime> profile_kernels(const std::function<void()>& work) {
  // LibTorch's profiler starts a thread, which a process must not end beside: where it only just runs, it
  // reads what exit() has destroyed.
  if (!at::hasCUDA()) {
    work();
    return {};
  }
  using namespace torch::autograd::profiler;
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  const std::set<torch::profiler::impl::ActivityType> what{torch::profiler::impl::ActivityType::CUDA};
  prepareProfiler(config, what);
  enableProfiler(config, what);
  work();
  const std::unique_ptr<ProfilerResult> result = disableProfiler();
  std::map<std::string, KernelTime> found;
  for (const KinetoEvent& event : result->events()) {
    if (event.deviceType() != c10::DeviceType::CUDA) continue;
    const std::string name = short_kernel_name(event.name());
    KernelTime& kernel = found[name];
    kernel.name = name;
    ++kernel.calls;
    kernel.seconds += 1e-9 * static_cast<double>(event.durationNs());
  }
  std::vector<KernelTime> kernels;
  for (auto& [name, kernel] : found) kernels.push_back(std::move(kernel));
  std::sort(kernels.begin(), kernels.end(),
            [](const KernelTime& a, const KernelTime& b) { return a.seconds > b.seconds; });
  return kernels;
}

}  // namespace prune2to4
