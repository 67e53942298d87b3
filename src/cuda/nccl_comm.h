// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "prune2to4/comm.h"

namespace prune2to4 {

// Sums over NCCL on a stream of its own; texts and numbers go over `host`, which also hands out NCCL's id. A
// peer that is lost, or an all_reduce that is not done within the host's timeout, makes it give up what is
// queued: the next call throws Error(kDevice) "[ranks] ...".
std::unique_ptr<Comm> make_nccl_comm(std::unique_ptr<WatchedComm> host, at::Device device);

}  // namespace prune2to4
