// SPDX-License-Identifier: Apache-2.0
// Serves sweeps of candidates that do what the number of tokens says.
#include <c10/util/Exception.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "ops/sweep.h"

namespace prune2to4 {
namespace {

Candidate fixed(const std::string& kernel, std::optional<double> milliseconds) {
  return {kernel, [milliseconds] { return milliseconds; }};
}

std::optional<double> fail(int64_t how) {
  switch (how) {
    case 1:
      ::raise(SIGSEGV);
      break;
    case 2:
      std::abort();
    case 3:
      throw std::runtime_error("a sticky error");
    case 4:
      ::sleep(100);
      break;
    case 5:
      ::raise(SIGTERM);  // as someone else would
      break;
    case 6:
      throw c10::OutOfMemoryError({__func__, __FILE__, 0}, "no memory");
    default:
      break;
  }
  return 1;
}

std::vector<Candidate> candidates(const SweepRequest& request) {
  std::cout << "what a library prints" << std::endl;
  const int64_t how = request.product.tokens;
  TORCH_CHECK(how != 7, "nothing can be timed");
  if (how == 8) ::_exit(1);
  return {fixed("dense", 3),
          fixed("not for this shape", std::nullopt),
          {"bad, very", [how] { return fail(how); }},
          fixed("good", 2)};
}

}  // namespace
}  // namespace prune2to4

int main() { prune2to4::serve_sweeps(STDIN_FILENO, prune2to4::candidates); }
