// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace prune2to4 {

// This process's place among those that a launcher started.
struct Launch {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // on this machine: which GPU it takes
  std::string host;    // where rank 0 keeps the store
  uint16_t port = 0;
  bool store_runs = false;  // torchrun's agent keeps the store already: rank 0 is a client, too
  std::string prefix;       // of this run's keys in the store
  std::string launcher;     // "torchrun", "Slurm", "MPI", or empty: none
  std::string error_file;   // where torchrun wants to read why a rank failed; empty: nowhere
};

// From the environment, the first of these that is there: torchrun (RANK, WORLD_SIZE, LOCAL_RANK,
// MASTER_ADDR, MASTER_PORT), Slurm started by srun (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID,
// SLURM_STEP_NODELIST or SLURM_JOB_NODELIST), Open MPI (OMPI_COMM_WORLD_*), PMI (PMI_RANK, PMI_SIZE).
// MASTER_ADDR and MASTER_PORT win over what the launcher says. `variable` reads one; by default getenv.
// Throws Error(kUsage) "[ranks] ..." for a set of variables that is incomplete or contradicts itself: a guess
// would hang.
Launch discover_launch(const std::function<const char*(const char*)>& variable);
Launch discover_launch();

}  // namespace prune2to4
