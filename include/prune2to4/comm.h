// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "prune2to4/launch.h"

namespace prune2to4 {

// What the processes of one data-parallel run say to one another. Every rank makes the same calls in the same
// order. Each throws Error: kDevice "[ranks] ..." when a peer has gone or does not answer within the timeout.
class Comm {
 public:
  virtual ~Comm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Sums in place over all ranks, the same bits on each. On a GPU queued on a stream of the communicator
  // behind the current stream's work: wait() before the result is used. Contiguous; fp32, fp64 or int64, on a
  // GPU also fp16 and bf16.
  virtual void all_reduce(const at::Tensor& tensor) = 0;
  // Makes the current stream wait for every all_reduce so far. Nothing on a CPU.
  virtual void wait() = 0;
  // Rank 0's bytes into everyone's tensor, contiguous; done when it returns or, on a GPU, in the order of the
  // current stream.
  virtual void broadcast(const at::Tensor& tensor) = 0;

  // Texts of all ranks, by rank, on the host.
  virtual std::vector<std::string> all_gather(const std::string& text) = 0;
  // The largest of all ranks' numbers, on the host: how every rank learns of a signal that reached one.
  virtual int64_t max(int64_t value) = 0;
  void barrier() { static_cast<void>(max(0)); }
};

// A Comm with a thread that watches the peers, so that work on a GPU which waits for a lost one can be given
// up.
class WatchedComm : public Comm {
 public:
  // `watch` is called about every second from that thread: with an empty text, or with what became of a peer
  // that is lost. {}: no longer, and none is under way any more when this returns.
  virtual void on_watch(std::function<void(const std::string& lost)> watch) = 0;
  virtual std::chrono::milliseconds timeout() const = 0;
};

// Over c10d's TCPStore alone, for tensors on the CPU. PRUNE2TO4_RANKS_TIMEOUT: seconds until a peer that does
// not answer counts as lost; by default 600. Throws Error: kUsage when that is no number.
std::unique_ptr<WatchedComm> make_tcp_comm(const Launch& launch);

// One process: every call returns at once.
std::unique_ptr<Comm> single_comm();

// Rank 0's bytes into everyone's tensor on the host, by way of `device`, where the communicator's tensors
// lie.
void broadcast_from_host(Comm& comm, const at::Tensor& host, at::Device device);

// make_tcp_comm(), and NCCL where `device` is a GPU. A launch of one process gives single_comm().
std::unique_ptr<Comm> make_comm(const Launch& launch, at::Device device);

}  // namespace prune2to4
