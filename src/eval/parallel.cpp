// SPDX-License-Identifier: Apache-2.0
#include "eval/parallel.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace prune2to4 {
namespace {

// LibTorch keeps the number for the process and, through OpenMP and MKL, for each thread.
class OneThreadEach {
 public:
  OneThreadEach() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThreadEach() { at::set_num_threads(before_); }
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int before_;
};

}  // namespace

void for_each_index(size_t count, int threads, const std::function<void(size_t)>& task) {
  const OneThreadEach one_thread_each;
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    at::set_num_threads(1);
    while (!failed) {
      const size_t index = next++;
      if (index >= count) return;
      try {
        task(index);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(work);
  workers.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace prune2to4
