// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <sys/utsname.h>

#include <fstream>

#include "prune2to4/commands.h"

namespace prune2to4 {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

std::string version_text() {
  return "prune2to4 " PRUNE2TO4_VERSION "\nLibTorch   " PRUNE2TO4_TORCH_VERSION
         "\nCUDA       " PRUNE2TO4_CUDA_VERSION "\ncuSPARSELt " PRUNE2TO4_CUSPARSELT_VERSION
         "\nbackends   " PRUNE2TO4_BACKENDS;
}

std::vector<std::pair<std::string, std::string>> environment() {
  utsname system{};
  uname(&system);
  return {
      {"prune2to4", PRUNE2TO4_VERSION},
      {"LibTorch", PRUNE2TO4_TORCH_VERSION},
      {"CUDA", PRUNE2TO4_CUDA_VERSION},
      {"cuSPARSELt", PRUNE2TO4_CUSPARSELT_VERSION},
      {"backends", PRUNE2TO4_BACKENDS},
      {"CPU", cpu_model()},
      {"threads", std::to_string(at::get_num_threads())},
      {"system", std::string(system.sysname) + " " + system.release + " " + system.machine},
  };
}

}  // namespace prune2to4
