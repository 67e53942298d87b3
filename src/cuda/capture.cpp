// SPDX-License-Identifier: Apache-2.0
#include "cuda/capture.h"

#include <ATen/Context.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include <map>

namespace prune2to4 {
namespace {

// The memory that captures share. LibTorch frees a pool with the last graph in it and takes none by its id
// again.
struct Pool {
  at::cuda::MempoolId_t id = at::cuda::graph_pool_handle();
};

// Captures are rare and from one thread; so is one stream per GPU for all of them.
struct Captures {
  std::weak_ptr<Pool> pool;
  std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;

  std::shared_ptr<Pool> shared_pool() {
    std::shared_ptr<Pool> shared = pool.lock();
    if (!shared) pool = shared = std::make_shared<Pool>();
    return shared;
  }

  c10::cuda::CUDAStream stream(c10::DeviceIndex device) {
    return streams.try_emplace(device, c10::cuda::getStreamFromPool(false, device)).first->second;
  }
};

Captures& captures() {
  static Captures instance;
  return instance;
}

template <typename Step>
void quietly(const Step& step) {
  try {
    step();
  } catch (const c10::Error&) {  // that step was not needed
  }
}

class Graph final : public at::cuda::CUDAGraph {
 public:
  // After what was thrown since capture_begin(), on the same stream: takes it out of the capture, and gives
  // the allocators and generators back to eager work, which capture_end() leaves undone when the capture is
  // invalid.
  void abort() {
    quietly([&] { capture_end(); });
    if (capture_ended_) return;
    quietly([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(capture_dev_, mempool_id_); });
    quietly([&] { at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(mempool_id_); });
    for (const auto& [generator, increment] : captured_generator_states_) generator->capturing_ = false;
    static_cast<void>(cudaGetLastError());
    capture_ended_ = true;  // so that reset() lets go of the pool
  }
};

class Capture final : public CapturedWork {
 public:
  Capture(at::Device device, const std::function<void()>& work) : pool_(captures().shared_pool()) {
    const c10::cuda::CUDAStream stream = captures().stream(device.index());
    // What was freed on other streams is reused only after events that may not be asked for during a capture;
    // the pool of captures takes its memory from the driver.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    const c10::cuda::CUDAStreamGuard guard(stream);
    // cuBLAS allocates for a handle and a stream when they meet first, which is not recorded.
    static_cast<void>(at::cuda::getCurrentCUDABlasHandle());
    static_cast<void>(at::cuda::getCUDABlasLtWorkspace());
    // Thread-local: other threads may do what would break a capture of their own, as pinning memory.
    graph_.capture_begin(pool_->id, cudaStreamCaptureModeThreadLocal);
    try {
      work();
      graph_.capture_end();
    } catch (...) {
      graph_.abort();
      throw;
    }
  }

  void replay() override { graph_.replay(); }

 private:
  std::shared_ptr<Pool> pool_;  // outlives the graph
  Graph graph_;
};

}  // namespace

std::unique_ptr<CapturedWork> capture_work(at::Device device, const std::function<void()>& work) {
  at::globalContext().lazyInitDevice(at::kCUDA);
  const c10::cuda::CUDAGuard guard(device);
  return std::make_unique<Capture>(device, work);
}

}  // namespace prune2to4
