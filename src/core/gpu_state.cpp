// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/gpu_state.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <vector>

#include "core/run_program.h"

namespace prune2to4 {
namespace {

constexpr std::chrono::seconds kLimit{5};

std::vector<std::string> fields(const std::string& line, char separator) {
  std::vector<std::string> found;
  size_t from = 0;
  while (true) {
    const size_t to = line.find(separator, from);
    std::string field = line.substr(from, to == std::string::npos ? to : to - from);
    field.erase(0, field.find_first_not_of(" \n"));
    field.erase(field.find_last_not_of(" \n") + 1);
    found.push_back(field);
    if (to == std::string::npos) return found;
    from = to + 1;
  }
}

// NaN for "[N/A]" and the like.
double number(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end ? value : std::numeric_limits<double>::quiet_NaN();
}

// What nvidia-smi calls it: it does not follow CUDA_VISIBLE_DEVICES, but takes what stands there.
std::string smi_name(int index) {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return std::to_string(index);
  const std::vector<std::string> names = fields(visible, ',');
  return static_cast<size_t>(index) < names.size() ? names[static_cast<size_t>(index)] : "";
}

}  // namespace

std::optional<GpuState> parse_gpu_state(const std::string& line) {
  const std::vector<std::string> values = fields(line, ',');
  if (values.size() != 6) return std::nullopt;
  return GpuState{values[0],         values[1],         number(values[2]),
                  number(values[3]), number(values[4]), number(values[5])};
}

std::optional<GpuState> read_gpu_state(int index) {
  const std::string name = smi_name(index);
  if (name.empty()) return std::nullopt;
  const auto line =
      run_program({"nvidia-smi", "-i", name,
                   "--query-gpu=name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw",
                   "--format=csv,noheader,nounits"},
                  kLimit);
  return line ? parse_gpu_state(*line) : std::nullopt;
}

}  // namespace prune2to4
