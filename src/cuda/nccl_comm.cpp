// SPDX-License-Identifier: Apache-2.0
#include "cuda/nccl_comm.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <cstring>
#include <exception>
#include <mutex>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Clock = std::chrono::steady_clock;

// How long a call that queues work may keep the watching thread from giving it up.
constexpr std::chrono::seconds kQueueing{10};

ncclDataType_t type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kHalf:
      return ncclFloat16;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kLong:
      return ncclInt64;
    default:
      TORCH_CHECK(false, "NCCL sums no ", tensor.scalar_type());
  }
}

class NcclComm : public Comm {
 public:
  NcclComm(std::unique_ptr<WatchedComm> host, at::Device device)
      : host_(std::move(host)),
        device_(device),
        stream_(at::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())) {}

  ~NcclComm() override {
    const bool failed = std::uncaught_exceptions() > exceptions_ || !all_here();
    host_->on_watch({});
    if (comm_ == nullptr) return;
    const c10::cuda::CUDAGuard guard(device_);
    if (failed) {
      ncclCommAbort(comm_);
    } else {
      ncclCommDestroy(comm_);  // returns when all ranks of this machine have called it
    }
  }
  NcclComm(const NcclComm&) = delete;
  NcclComm& operator=(const NcclComm&) = delete;

  void start() {
    const c10::cuda::CUDAGuard guard(device_);
    ncclUniqueId id = {};
    if (rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    const std::string text = host_->all_gather(std::string(id.internal, sizeof(id.internal))).front();
    std::memcpy(id.internal, text.data(), sizeof(id.internal));
    check(ncclCommInitRank(&comm_, size(), id, rank()), "ncclCommInitRank");
    host_->on_watch([this](const std::string& lost) { watch(lost); });
    warm_up();
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }

  void all_reduce(const at::Tensor& tensor) override {
    const ncclDataType_t type = type_of(tensor);
    queue(tensor, [&](void* data) {
      return ncclAllReduce(data, data, static_cast<size_t>(tensor.numel()), type, ncclSum, comm_,
                           stream_.stream());
    });
  }

  void broadcast(const at::Tensor& tensor) override {
    queue(tensor, [&](void* data) {
      return ncclBroadcast(data, data, tensor.nbytes(), ncclUint8, 0, comm_, stream_.stream());
    });
    wait();
  }

  void wait() override {
    throw_if_failed();
    if (in_flight_.empty()) return;
    const c10::cuda::CUDAGuard guard(device_);
    at::cuda::CUDAEvent done;
    done.record(stream_);
    done.block(at::cuda::getCurrentCUDAStream(device_.index()));
    in_flight_.clear();
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    throw_if_failed();
    return host_->all_gather(text);
  }
  int64_t max(int64_t value) override {
    throw_if_failed();
    return host_->max(value);
  }

 private:
  // Behind the current stream's work, on stream_. The tensor's memory is kept until wait().
  template <typename Work>
  void queue(const at::Tensor& tensor, const Work& work) {
    TORCH_CHECK(tensor.device() == device_ && tensor.is_contiguous(), "a contiguous tensor on ", device_,
                " is needed");
    const c10::cuda::CUDAGuard guard(device_);
    at::cuda::CUDAEvent ready;
    ready.record(at::cuda::getCurrentCUDAStream(device_.index()));
    const bool captured = c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None;
    const std::lock_guard lock(mutex_);
    throw_failure();
    ready.block(stream_);
    check(work(tensor.mutable_data_ptr()), "NCCL");
    in_flight_.push_back(tensor);
    if (captured || pending_) return;  // an event of a capture cannot be asked
    watched_.record(stream_);
    pending_ = true;
    pending_since_ = Clock::now();
  }

  // Connections are made now, where a rank that is not there shows.
  void warm_up() {
    const at::Tensor one = at::zeros({1}, at::TensorOptions(device_).dtype(at::kFloat));
    all_reduce(one);
    wait();
    at::cuda::getCurrentCUDAStream(device_.index()).synchronize();
    throw_if_failed();
  }

  // Before the end, whether every rank has come to it.
  bool all_here() {
    try {
      barrier();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  // On the host's thread: a GPU that waits for a peer which is lost would wait for ever, and this rank's
  // thread for it.
  void watch(const std::string& lost) {
    std::unique_lock lock(mutex_, kQueueing);
    if (!lock.owns_lock()) {
      if (lost.empty()) return;
      ncclCommAbort(comm_);  // frees the thread that is in one of its calls
      comm_ = nullptr;
      lock.lock();
    }
    if (!failure_.empty()) return;
    failure_ = lost;
    try {
      if (lost.empty()) failure_ = look();
    } catch (const c10::Error& error) {
      failure_ = error.what_without_backtrace();
    }
    if (failure_.empty() || comm_ == nullptr) return;
    ncclCommAbort(comm_);  // what is queued ends, with whatever numbers
    comm_ = nullptr;
  }

  // What is wrong with the queued work.
  std::string look() {
    // Asking an event must not break a capture of another thread.
    const c10::cuda::CUDAStreamCaptureModeGuard mode(cudaStreamCaptureModeRelaxed);
    const c10::cuda::CUDAGuard guard(device_);
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked != ncclSuccess) state = asked;
    if (state != ncclSuccess && state != ncclInProgress) return describe("NCCL", state);
    if (pending_ && watched_.query()) pending_ = false;
    if (!pending_ || Clock::now() - pending_since_ < host_->timeout()) return "";
    return "a sum over all GPUs was not done within " + std::to_string(host_->timeout().count() / 1000) +
           " s; PRUNE2TO4_RANKS_TIMEOUT=SECONDS waits longer";
  }

  void throw_if_failed() {
    const std::lock_guard lock(mutex_);
    throw_failure();
  }
  void throw_failure() const {
    if (!failure_.empty()) fail(failure_);
  }

  static std::string describe(const char* call, ncclResult_t result) {
    return std::string(call) + " failed: " + ncclGetErrorString(result) + " (" + ncclGetLastError(nullptr) +
           "); NCCL_DEBUG=INFO says more";
  }
  void check(ncclResult_t result, const char* call) const {
    if (result != ncclSuccess) fail(describe(call, result));
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ExitStatus::kDevice, "ranks",
                "rank " + std::to_string(rank()) + " of " + std::to_string(size()) + ": " + message);
  }

  std::unique_ptr<WatchedComm> host_;
  at::Device device_;
  int exceptions_ = std::uncaught_exceptions();
  at::cuda::CUDAStream stream_;
  std::vector<at::Tensor> in_flight_;
  mutable std::timed_mutex mutex_;  // of what follows
  ncclComm_t comm_ = nullptr;
  std::string failure_;
  at::cuda::CUDAEvent watched_;  // of one that was queued, until it is done
  bool pending_ = false;
  Clock::time_point pending_since_;
};

}  // namespace

std::unique_ptr<Comm> make_nccl_comm(std::unique_ptr<WatchedComm> host, at::Device device) {
  auto comm = std::make_unique<NcclComm>(std::move(host), device);
  comm->start();
  return comm;
}

}  // namespace prune2to4
