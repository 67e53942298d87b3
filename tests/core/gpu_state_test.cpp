// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/gpu_state.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/environment_variable.h"
#include "core/run_program.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

CATCH_TEST_CASE("a line of nvidia-smi is read, and what it does not know is NaN") {
  const auto state = parse_gpu_state("NVIDIA H200, 580.65.06, 1980, 3201, 34, 118.42\n");
  CATCH_REQUIRE(state);
  CATCH_CHECK(state->name == "NVIDIA H200");
  CATCH_CHECK(state->driver == "580.65.06");
  CATCH_CHECK(state->sm_clock == 1980);
  CATCH_CHECK(state->memory_clock == 3201);
  CATCH_CHECK(state->temperature == 34);
  CATCH_CHECK(state->power == 118.42);
  CATCH_CHECK(std::isnan(parse_gpu_state("GB10, 580, 2405, [N/A], 40, 5.1")->memory_clock));
  for (const char* line : {"", "No devices were found", "a, b, c, d, e, f, g"}) {
    CATCH_CHECK_FALSE(parse_gpu_state(line));
  }
}

CATCH_TEST_CASE("what a program writes is returned, unless it fails or takes too long") {
  CATCH_CHECK(run_program({"printf", "%s", "a b;c"}, minutes(1)) == "a b;c");
  CATCH_CHECK(run_program({"true"}, minutes(1)) == "");
  CATCH_CHECK_FALSE(run_program({"false"}, minutes(1)));
  CATCH_CHECK_FALSE(run_program({"prune2to4-no-such-program"}, minutes(1)));
  CATCH_CHECK_FALSE(run_program({"sleep", "600"}, milliseconds(50)));
}

CATCH_TEST_CASE("the GPU that CUDA_VISIBLE_DEVICES names is asked") {
  const TemporaryFolder folder;
  const auto program = folder.path() / "nvidia-smi";
  std::ofstream(program) << "#!/bin/sh\necho \"GPU $2, 1, 2, 3, 4, 5\"\n";
  ::chmod(program.c_str(), 0755);
  const EnvironmentVariable path("PATH", folder.path().string() + ":" + std::getenv("PATH"));
  {
    const EnvironmentVariable visible("CUDA_VISIBLE_DEVICES", "3, GPU-77");
    CATCH_CHECK(read_gpu_state(0)->name == "GPU 3");
    CATCH_CHECK(read_gpu_state(1)->name == "GPU GPU-77");
    CATCH_CHECK_FALSE(read_gpu_state(2));
  }
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CATCH_CHECK(read_gpu_state(1)->name == "GPU 1");
}

}  // namespace
}  // namespace prune2to4
