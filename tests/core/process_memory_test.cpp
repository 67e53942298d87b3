// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/process_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/child_process.h"

// AddressSanitizer's own memory does not come back at once.
#ifndef __SANITIZE_ADDRESS__

namespace prune2to4 {
namespace {

constexpr size_t kBytes = size_t{40} << 20;

int64_t new_pages() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

void fill_again() {
  const std::unique_ptr<std::byte[]> memory(new std::byte[kBytes]);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (size_t i = 0; i < kBytes; i += page) static_cast<volatile std::byte*>(memory.get())[i] = std::byte{1};
}

}  // namespace

CATCH_TEST_CASE("memory that is kept comes without new pages") {
  const int64_t pages = static_cast<int64_t>(kBytes) / sysconf(_SC_PAGESIZE);
  const ChildResult result = run_in_child([&] {  // it is for a process's whole life
    keep_freed_memory();
    fill_again();
    const int64_t before = new_pages();
    for (int i = 0; i < 8; ++i) fill_again();
    const int64_t taken = new_pages() - before;
    if (taken >= pages) throw std::runtime_error(std::to_string(taken) + " new pages");
  });
  CATCH_CHECK(result.text == "");
  CATCH_CHECK(result.status == 0);
}

}  // namespace prune2to4

#endif
