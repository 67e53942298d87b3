// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "ops/cpu/kernels.h"

#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for is serial without OpenMP"
#endif

namespace prune2to4::cpu {

// Memory that a thread keeps for the next product: new pages would cost as much as some of them.
class Scratch {
 public:
  float* floats(int64_t count) {
    if (count > count_) {
      memory_.reset();
      memory_.reset(
          static_cast<float*>(::operator new[](static_cast<size_t>(count) * sizeof(float), kCacheLine)));
      count_ = count;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t kCacheLine{64};
  struct Free {
    void operator()(float* memory) const { ::operator delete[](memory, kCacheLine); }
  };

  std::unique_ptr<float[], Free> memory_;
  int64_t count_ = 0;
};

inline int64_t rounded_quotient(int64_t value, int64_t by) { return (value + by - 1) / by; }

inline int64_t usable_threads() { return at::in_parallel_region() ? 1 : at::get_num_threads(); }

// For so many multiplications: a few are not worth another thread.
inline int64_t threads_for(int64_t work) {
  constexpr int64_t kLeastWork = 1 << 16;
  return std::clamp<int64_t>(work / kLeastWork, 1, usable_threads());
}

// `work` for parts first ... last - 1, in `threads` runs of them.
template <typename Work>
void in_parallel(int64_t parts, int64_t threads, const Work& work) {
  if (threads == 1) return work(0, parts);
  at::parallel_for(0, parts, rounded_quotient(parts, threads), work);
}

// `work` for each part by the thread that is the first to be free: cores may differ in speed, or be shared.
template <typename Work>
void share_out(int64_t parts, int64_t threads, const Work& work) {
  std::atomic<int64_t> next = 0;
  in_parallel(threads, threads, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < parts; i = next++) work(i);
  });
}

// Parts in `threads` runs, each by a thread of its own, which then takes parts of the runs that have not come
// far: its last one it would not bring to an end before the run's own thread. Calls work(next) for each
// thread; next() is its next part, and -1 at last.
template <typename Work>
void in_shared_runs(int64_t parts, int64_t threads, const Work& work) {
  struct alignas(64) Run {
    std::atomic<int64_t> next;
    int64_t last;
  };
  const int64_t length = rounded_quotient(parts, threads);
  std::vector<Run> runs(static_cast<size_t>(threads));
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].next = std::min(static_cast<int64_t>(i) * length, parts);
    runs[i].last = std::min(runs[i].next + length, parts);
  }
  in_parallel(threads, threads, [&](int64_t first, int64_t last) {
    for (int64_t own = first; own < last; ++own) {
      int64_t at = own;
      work([&]() -> int64_t {
        for (; at < own + threads; ++at) {
          Run& run = runs[static_cast<size_t>(at % threads)];
          if (at != own && run.next + 1 >= run.last) continue;
          const int64_t part = run.next++;
          if (part < run.last) return part;
        }
        return -1;
      });
    }
  });
}

// With which all threads have the same number of tiles of their own, as full as can be.
inline int64_t vectors_of_tile(const TiledKernel& kernel, int64_t tokens, int64_t threads) {
  const int64_t vectors = rounded_quotient(tokens, kernel.lanes);
  const int64_t rounds = rounded_quotient(vectors, threads * static_cast<int64_t>(kernel.vectors));
  return rounded_quotient(vectors, threads * rounds);
}

}  // namespace prune2to4::cpu
