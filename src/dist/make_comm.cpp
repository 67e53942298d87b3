// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/comm.h"
#include "prune2to4/cuda_backend.h"

namespace prune2to4 {

std::unique_ptr<Comm> make_comm(const Launch& launch, at::Device device) {
  if (launch.size == 1) return single_comm();
  std::unique_ptr<WatchedComm> host = make_tcp_comm(launch);
  if (!device.is_cuda()) return host;
  return cuda_backend().nccl(std::move(host), device);
}

}  // namespace prune2to4
