// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace prune2to4 {

// What a GPU did at one moment, as nvidia-smi tells it; NaN: it does not say.
struct GpuState {
  std::string name;
  std::string driver;
  double sm_clock = 0;      // MHz
  double memory_clock = 0;  // MHz
  double temperature = 0;   // degrees Celsius
  double power = 0;         // watts
};

// Of this process's `index`-th GPU (CUDA_VISIBLE_DEVICES is followed). None without nvidia-smi, or when it
// does not answer within some seconds.
std::optional<GpuState> read_gpu_state(int index);

// A line of nvidia-smi's CSV without header and units: name, driver, clocks, temperature, power.
std::optional<GpuState> parse_gpu_state(const std::string& line);

}  // namespace prune2to4
