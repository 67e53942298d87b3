// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/comm.h"
#include "prune2to4/cuda_backend.h"

namespace prune2to4 {

void broadcast_from_host(Comm& comm, const at::Tensor& host, at::Device device) {
  const at::Tensor tensor = host.to(device).contiguous();
  comm.broadcast(tensor);
  host.copy_(tensor);
}

std::unique_ptr<Comm> make_comm(const Launch& launch, at::Device device) {
  if (launch.size == 1) return single_comm();
  std::unique_ptr<WatchedComm> host = make_tcp_comm(launch);
  if (!device.is_cuda()) return host;
  return cuda_backend().nccl(std::move(host), device);
}

}  // namespace prune2to4
