// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/launch.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <string_view>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr int64_t kFirstPort = 10000;  // of those derived from a job's number
constexpr int64_t kPorts = 10000;

[[noreturn]] void fail(const std::string& message) { throw Error(ExitStatus::kUsage, "ranks", message); }

// The environment, as one launcher describes it.
class Environment {
 public:
  Environment(const std::function<const char*(const char*)>& variable, std::string launcher)
      : variable_(variable), launcher_(std::move(launcher)) {}

  const std::string& launcher() const { return launcher_; }

  // Empty where it is not set.
  std::string text(const char* name) const {
    const char* value = variable_(name);
    return value == nullptr ? "" : value;
  }
  bool any(std::initializer_list<const char*> names) const { return !first(names).empty(); }

  std::string required(const char* name, const std::string& hint = "") const {
    std::string value = text(name);
    if (value.empty()) {
      fail(launcher_ + "'s variables are there, but " + name + " is missing" + hint +
           "; start through the launcher, or unset them");
    }
    return value;
  }

  // The number in the first of the variables that is set; `names` has one at least.
  int64_t number(std::initializer_list<const char*> names, int64_t least, int64_t most) const {
    const std::string name = any(names) ? first(names) : *names.begin();
    return parse(name, required(name.c_str()), least, most);
  }

  static int64_t parse(const std::string& name, const std::string& value, int64_t least, int64_t most) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < least || number > most) {
      fail(name + "='" + value + "' is no whole number from " + std::to_string(least) + " to " +
           std::to_string(most));
    }
    return number;
  }

 private:
  std::string first(std::initializer_list<const char*> names) const {
    const auto* name =
        std::find_if(names.begin(), names.end(), [&](auto* each) { return !text(each).empty(); });
    return name == names.end() ? "" : *name;
  }

  const std::function<const char*(const char*)>& variable_;
  std::string launcher_;
};

// Rank, size and local rank from the launcher's own variables.
Launch place(const Environment& environment, std::initializer_list<const char*> rank,
             std::initializer_list<const char*> size, std::initializer_list<const char*> local_rank) {
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  Launch launch;
  launch.launcher = environment.launcher();
  launch.size = static_cast<int>(environment.number(size, 1, kMost));
  launch.rank = static_cast<int>(environment.number(rank, 0, launch.size - 1));
  launch.local_rank = static_cast<int>(environment.number(local_rank, 0, launch.size - 1));
  return launch;
}

// The same port on every rank, by the number or name of their job.
uint16_t port_of(std::string_view job) {
  uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const char byte : job) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  return static_cast<uint16_t>(kFirstPort + static_cast<int64_t>(hash % static_cast<uint64_t>(kPorts)));
}

// MASTER_ADDR and MASTER_PORT where they are set.
void take_master(const Environment& environment, Launch& launch) {
  if (const std::string host = environment.text("MASTER_ADDR"); !host.empty()) launch.host = host;
  if (environment.any({"MASTER_PORT"}))
    launch.port = static_cast<uint16_t>(environment.number({"MASTER_PORT"}, 1, 65535));
}

Launch from_torchrun(const Environment& environment) {
  Launch launch = place(environment, {"RANK"}, {"WORLD_SIZE"}, {"LOCAL_RANK"});
  launch.error_file = environment.text("TORCHELASTIC_ERROR_FILE");
  if (launch.size == 1) return launch;
  environment.required("MASTER_ADDR", " (rank 0's machine)");
  environment.required("MASTER_PORT", " (a free port there)");
  take_master(environment, launch);
  launch.store_runs = environment.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.prefix = "prune2to4/" + environment.text("TORCHELASTIC_RUN_ID") + "/" +
                  environment.text("TORCHELASTIC_RESTART_COUNT");
  return launch;
}

// The first name of "gpu[03-07,9]-a,cpu1": "gpu03-a".
std::string first_host(std::string_view list) {
  std::string host;
  while (!list.empty() && list.front() != ',') {
    if (list.front() != '[') {
      host += list.front();
      list.remove_prefix(1);
      continue;
    }
    const size_t close = list.find(']');
    if (close == std::string_view::npos) return "";
    const std::string_view numbers = list.substr(1, close - 1);
    host += numbers.substr(0, numbers.find_first_of(",-"));
    list.remove_prefix(close + 1);
  }
  return host;
}

// srun sets the step's variables; a batch script and a shell of salloc have the job's alone, SLURM_PROCID
// among them.
bool started_by_srun(const Environment& environment) {
  if (environment.any({"SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST"}))
    return environment.any({"SLURM_PROCID"});
  return environment.any({"SLURM_PROCID"}) && environment.text("SLURM_PROCID") != "0";
}

Launch from_slurm(const Environment& environment) {
  Launch launch =
      place(environment, {"SLURM_PROCID"}, {"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"}, {"SLURM_LOCALID"});
  if (launch.size == 1) return launch;
  take_master(environment, launch);
  if (launch.host.empty() && environment.text("SLURM_STEP_NUM_NODES") == "1") launch.host = kLoopback;
  if (launch.host.empty()) {
    const char* name =
        environment.any({"SLURM_STEP_NODELIST"}) ? "SLURM_STEP_NODELIST" : "SLURM_JOB_NODELIST";
    const std::string nodes = environment.required(name, " (or MASTER_ADDR)");
    launch.host = first_host(nodes);
    if (launch.host.empty()) fail(std::string(name) + "='" + nodes + "' names no machine; set MASTER_ADDR");
  }
  if (launch.port == 0) {
    environment.required("SLURM_JOB_ID", " (or MASTER_PORT)");
    const int64_t job = environment.number({"SLURM_JOB_ID"}, 0, std::numeric_limits<int64_t>::max());
    launch.port = static_cast<uint16_t>(kFirstPort + job % kPorts);
  }
  launch.prefix = "prune2to4/" + environment.text("SLURM_JOB_ID") + "." + environment.text("SLURM_STEP_ID");
  return launch;
}

// What MPI launchers leave out: where rank 0 is. On one machine it is here, at a port that the job's name
// gives.
void find_master(const Environment& environment, std::initializer_list<const char*> local_size,
                 std::initializer_list<const char*> job_names, Launch& launch) {
  take_master(environment, launch);
  const bool local =
      environment.any(local_size) && environment.number(local_size, 1, launch.size) == launch.size;
  if (launch.host.empty() && local) launch.host = kLoopback;
  if (launch.port == 0 && local) {
    for (const char* name : job_names) {
      const std::string job = environment.text(name);
      if (launch.port == 0 && !job.empty()) launch.port = port_of(job);
    }
  }
  if (!launch.host.empty() && launch.port != 0) return;
  const std::string missing = launch.host.empty()
                                  ? (launch.port == 0 ? "MASTER_ADDR and MASTER_PORT" : "MASTER_ADDR")
                                  : "MASTER_PORT";
  fail("MPI does not say where rank 0 is: set " + missing +
       " (rank 0's machine and a free port there) for all ranks, as in mpirun -x MASTER_ADDR -x MASTER_PORT");
}

Launch from_open_mpi(const Environment& environment) {
  Launch launch =
      place(environment, {"OMPI_COMM_WORLD_RANK"}, {"OMPI_COMM_WORLD_SIZE"}, {"OMPI_COMM_WORLD_LOCAL_RANK"});
  if (launch.size == 1) return launch;
  launch.prefix = "prune2to4";
  find_master(environment, {"OMPI_COMM_WORLD_LOCAL_SIZE"}, {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"},
              launch);
  return launch;
}

Launch from_pmi(const Environment& environment) {
  Launch launch = place(environment, {"PMI_RANK"}, {"PMI_SIZE"}, {"MPI_LOCALRANKID", "PMI_LOCAL_RANK"});
  if (launch.size == 1) return launch;
  launch.prefix = "prune2to4";
  find_master(environment, {"MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"}, {"PMIX_NAMESPACE", "PMI_KVSNAME"}, launch);
  return launch;
}

}  // namespace

Launch discover_launch(const std::function<const char*(const char*)>& variable) {
  const Environment torchrun(variable, "torchrun");
  if (torchrun.any({"RANK", "WORLD_SIZE", "LOCAL_RANK"})) return from_torchrun(torchrun);
  const Environment slurm(variable, "Slurm");
  if (started_by_srun(slurm)) return from_slurm(slurm);
  const Environment mpi(variable, "MPI");
  if (mpi.any({"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"})) return from_open_mpi(mpi);
  if (mpi.any({"PMI_RANK", "PMI_SIZE"})) return from_pmi(mpi);
  return {};
}

Launch discover_launch() {
  return discover_launch([](const char* name) { return std::getenv(name); });
}

}  // namespace prune2to4
