// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/launch.h"

#include <catch2/catch.hpp>
#include <map>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Variables = std::map<std::string, std::string>;

Launch discover(const Variables& variables) {
  return discover_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

Variables without(Variables variables, const std::string& name) {
  variables.erase(name);
  return variables;
}

std::string refusal(const Variables& variables) {
  try {
    discover(variables);
    return "accepted";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
}

bool single(const Launch& launch) { return launch.rank == 0 && launch.size == 1 && launch.port == 0; }

const Variables kTorchrun{{"RANK", "3"},
                          {"WORLD_SIZE", "4"},
                          {"LOCAL_RANK", "1"},
                          {"MASTER_ADDR", "node1"},
                          {"MASTER_PORT", "29500"}};
const Variables kSlurm{{"SLURM_PROCID", "2"},         {"SLURM_NTASKS", "4"},
                       {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_LOCALID", "1"},
                       {"SLURM_JOB_ID", "1234567"},   {"SLURM_STEP_NODELIST", "gpu[03-07,9]"}};
const Variables kOpenMpi{{"OMPI_COMM_WORLD_RANK", "1"},
                         {"OMPI_COMM_WORLD_SIZE", "2"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                         {"OMPI_MCA_ess_base_jobid", "2153185281"}};
const Variables kPmi{{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "0"}};
const Variables kMaster{{"MASTER_ADDR", "head"}, {"MASTER_PORT", "5000"}};

}  // namespace

CATCH_TEST_CASE("without a launcher there is one process") {
  CATCH_CHECK(single(discover({})));
  CATCH_CHECK(discover({}).launcher.empty());
  CATCH_CHECK(single(discover(kMaster)));
}

CATCH_TEST_CASE("torchrun says everything") {
  const Launch launch = discover(kTorchrun);
  CATCH_CHECK(launch.rank == 3);
  CATCH_CHECK(launch.size == 4);
  CATCH_CHECK(launch.local_rank == 1);
  CATCH_CHECK(launch.host == "node1");
  CATCH_CHECK(launch.port == 29500);
  CATCH_CHECK_FALSE(launch.store_runs);
  CATCH_CHECK(launch.launcher == "torchrun");
  CATCH_CHECK(launch.error_file.empty());
}

CATCH_TEST_CASE("torchrun's agent may run the store; each restart has keys of its own there") {
  const Variables agent = with(kTorchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                           {"TORCHELASTIC_RUN_ID", "run7"},
                                           {"TORCHELASTIC_RESTART_COUNT", "0"},
                                           {"TORCHELASTIC_ERROR_FILE", "/tmp/e.json"}});
  const Launch launch = discover(agent);
  CATCH_CHECK(launch.store_runs);
  CATCH_CHECK_THAT(launch.prefix, Catch::Contains("run7"));
  CATCH_CHECK(launch.error_file == "/tmp/e.json");
  CATCH_CHECK(discover(with(agent, {{"TORCHELASTIC_RESTART_COUNT", "1"}})).prefix != launch.prefix);
  CATCH_CHECK_FALSE(discover(with(agent, {{"TORCHELASTIC_USE_AGENT_STORE", "False"}})).store_runs);
}

CATCH_TEST_CASE("a world of one is a single process; torchrun still wants its error file") {
  const Launch launch = discover(
      {{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"TORCHELASTIC_ERROR_FILE", "/tmp/e.json"}});
  CATCH_CHECK(single(launch));
  CATCH_CHECK(launch.error_file == "/tmp/e.json");
  CATCH_CHECK(single(discover(
      with(kSlurm, {{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_LOCALID", "0"}}))));
  CATCH_CHECK(single(discover(
      {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}})));
  CATCH_CHECK(single(discover({{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}, {"MPI_LOCALRANKID", "0"}})));
}

CATCH_TEST_CASE("what is missing of a launcher's variables is named") {
  for (const auto& [name, value] : kTorchrun) {
    CATCH_CHECK_THAT(refusal(without(kTorchrun, name)), Catch::Contains(name + " is missing"));
    CATCH_CHECK_THAT(refusal(with(kTorchrun, {{name, ""}})), Catch::Contains(name + " is missing"));
  }
  for (const std::string name : {"SLURM_LOCALID", "SLURM_JOB_ID"})
    CATCH_CHECK_THAT(refusal(without(kSlurm, name)), Catch::Contains(name + " is missing"));
  CATCH_CHECK_THAT(refusal(without(kSlurm, "SLURM_STEP_NODELIST")),
                   Catch::Contains("SLURM_JOB_NODELIST is missing"));
  CATCH_CHECK_THAT(refusal({{"SLURM_PROCID", "1"}, {"SLURM_LOCALID", "1"}}),
                   Catch::Contains("SLURM_STEP_NUM_TASKS is missing"));
  for (const std::string name :
       {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"})
    CATCH_CHECK_THAT(refusal(without(kOpenMpi, name)), Catch::Contains(name + " is missing"));
  for (const auto& [name, value] : kPmi)
    CATCH_CHECK_THAT(refusal(without(with(kPmi, kMaster), name)), Catch::Contains(name + " is missing"));
}

CATCH_TEST_CASE("numbers that are none, or contradict one another, are refused") {
  for (const auto& [name, value] : std::multimap<std::string, std::string>{{"RANK", "three"},
                                                                           {"RANK", "-1"},
                                                                           {"RANK", "4"},
                                                                           {"WORLD_SIZE", "0"},
                                                                           {"WORLD_SIZE", "4x"},
                                                                           {"LOCAL_RANK", "4"},
                                                                           {"MASTER_PORT", "0"},
                                                                           {"MASTER_PORT", "65536"}}) {
    CATCH_CHECK_THAT(refusal(with(kTorchrun, {{name, value}})), Catch::Contains(name + "='" + value + "'"));
  }
  CATCH_CHECK_THAT(refusal(with(kSlurm, {{"SLURM_PROCID", "4"}})), Catch::Contains("SLURM_PROCID='4'"));
  CATCH_CHECK_THAT(refusal(with(kSlurm, {{"SLURM_JOB_ID", "12a"}})), Catch::Contains("SLURM_JOB_ID='12a'"));
}

CATCH_TEST_CASE("of Slurm's nodes the first keeps the store, at a port of the job's number") {
  const Launch launch = discover(kSlurm);
  CATCH_CHECK(launch.rank == 2);
  CATCH_CHECK(launch.size == 4);
  CATCH_CHECK(launch.local_rank == 1);
  CATCH_CHECK(launch.host == "gpu03");
  CATCH_CHECK(launch.port == 14567);
  CATCH_CHECK(launch.launcher == "Slurm");
  const Variables nodes{{"gpu1,gpu2", "gpu1"},      {"a[1-2]b", "a1b"},      {"solo", "solo"},
                        {"r[1,3]n[04-9]", "r1n04"}, {"x-[7],y[1-2]", "x-7"}, {"gpu-a.site", "gpu-a.site"}};
  for (const auto& [list, first] : nodes) {
    CATCH_CHECK(discover(with(kSlurm, {{"SLURM_STEP_NODELIST", list}})).host == first);
    CATCH_CHECK(discover(with(without(kSlurm, "SLURM_STEP_NODELIST"), {{"SLURM_JOB_NODELIST", list}})).host ==
                first);
  }
  CATCH_CHECK_THAT(refusal(with(kSlurm, {{"SLURM_STEP_NODELIST", "gpu[1-2"}})),
                   Catch::Contains("set MASTER_ADDR"));
  CATCH_CHECK(discover(with(kSlurm, {{"SLURM_STEP_NUM_NODES", "1"}})).host == "127.0.0.1");
}

CATCH_TEST_CASE("MASTER_ADDR and MASTER_PORT win over what Slurm says, each alone") {
  const Launch both = discover(with(kSlurm, kMaster));
  CATCH_CHECK(both.host == "head");
  CATCH_CHECK(both.port == 5000);
  CATCH_CHECK(discover(with(kSlurm, {{"MASTER_ADDR", "head"}})).port == 14567);
  CATCH_CHECK(discover(with(kSlurm, {{"MASTER_PORT", "5000"}})).host == "gpu03");
  CATCH_CHECK(discover(without(without(with(kSlurm, kMaster), "SLURM_JOB_ID"), "SLURM_STEP_NODELIST")).port ==
              5000);
}

CATCH_TEST_CASE("a step of fewer tasks than its job counts its own") {
  CATCH_CHECK(discover(with(kSlurm, {{"SLURM_NTASKS", "16"}})).size == 4);
  CATCH_CHECK(discover(without(kSlurm, "SLURM_STEP_NUM_TASKS")).size == 4);
}

CATCH_TEST_CASE("the shell of a Slurm job is a single process") {
  CATCH_CHECK(
      single(discover({{"SLURM_JOB_ID", "1"}, {"SLURM_NTASKS", "4"}, {"SLURM_JOB_NODELIST", "gpu[1-4]"}})));
  // A batch script has the rank of a first task.
  CATCH_CHECK(single(discover({{"SLURM_JOB_ID", "1"},
                               {"SLURM_NTASKS", "4"},
                               {"SLURM_PROCID", "0"},
                               {"SLURM_LOCALID", "0"},
                               {"SLURM_JOB_NODELIST", "gpu[1-4]"}})));
}

CATCH_TEST_CASE("torchrun inside a Slurm job goes first, then Slurm's step before MPI") {
  CATCH_CHECK(discover(with(kSlurm, kTorchrun)).launcher == "torchrun");
  CATCH_CHECK(discover(with(kSlurm, kPmi)).launcher == "Slurm");
  CATCH_CHECK(discover(with(kOpenMpi, with(kPmi, {{"PMI_SIZE", "3"}}))).size == 2);
}

CATCH_TEST_CASE("Open MPI on one machine needs no more; its jobs have ports of their own") {
  const Launch launch = discover(kOpenMpi);
  CATCH_CHECK(launch.rank == 1);
  CATCH_CHECK(launch.size == 2);
  CATCH_CHECK(launch.local_rank == 1);
  CATCH_CHECK(launch.host == "127.0.0.1");
  CATCH_CHECK(launch.port >= 10000);
  CATCH_CHECK(launch.port < 20000);
  CATCH_CHECK(launch.launcher == "MPI");
  CATCH_CHECK(discover(with(kOpenMpi, {{"OMPI_COMM_WORLD_RANK", "0"}})).port == launch.port);
  CATCH_CHECK(discover(with(kOpenMpi, {{"OMPI_MCA_ess_base_jobid", "2153119745"}})).port != launch.port);
  const Variables named =
      with(without(kOpenMpi, "OMPI_MCA_ess_base_jobid"), {{"PMIX_NAMESPACE", "prterun-a-17@1"}});
  CATCH_CHECK(discover(named).port >= 10000);
  CATCH_CHECK_THAT(refusal(without(kOpenMpi, "OMPI_MCA_ess_base_jobid")), Catch::Contains("set MASTER_PORT"));
}

CATCH_TEST_CASE("MPI over several machines needs MASTER_ADDR and MASTER_PORT") {
  const Variables spread =
      with(kOpenMpi, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}});
  CATCH_CHECK_THAT(refusal(spread), Catch::Contains("set MASTER_ADDR and MASTER_PORT"));
  CATCH_CHECK_THAT(refusal(with(spread, {{"MASTER_PORT", "5000"}})), Catch::Contains("set MASTER_ADDR ("));
  CATCH_CHECK_THAT(refusal(with(spread, {{"MASTER_ADDR", "head"}})), Catch::Contains("set MASTER_PORT"));
  const Launch launch = discover(with(spread, kMaster));
  CATCH_CHECK(launch.host == "head");
  CATCH_CHECK(launch.port == 5000);
  CATCH_CHECK_THAT(refusal(kPmi), Catch::Contains("set MASTER_ADDR and MASTER_PORT"));
  CATCH_CHECK(discover(with(kPmi, kMaster)).rank == 1);
  CATCH_CHECK(discover(with(kPmi, {{"MPI_LOCALNRANKS", "2"}, {"PMI_KVSNAME", "kvs_17_0"}})).host ==
              "127.0.0.1");
}

}  // namespace prune2to4
