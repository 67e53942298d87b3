// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "prune2to4/bench_report.h"

namespace prune2to4 {

inline BenchTiming sample_timing(double median, double spread, std::vector<LayerKernel> kernels) {
  return {
      {40, median, 1.05 * median, 1.1 * median, 0.95 * median, 1.2 * median, spread}, std::move(kernels), {}};
}

// A sparse model and its twin at two sizes of batch on a GPU.
inline BenchReport sample_bench_report() {
  BenchReport report;
  report.command = {"prune2to4", "bench", "bert.2to4.pt"};
  report.started = "2025-01-02T03:04:05Z";
  report.environment = {{"LibTorch", "2.11.0"}};
  report.settings = {{"repeats", "10"}, {"seed", "0"}};
  report.device = "cuda:0";
  report.models = {
      {"bert.2to4.pt", std::string(64, 'a'), "encoder engine", "float16", true, int64_t{130} << 20, 1000},
      {"dense twin", "", "encoder engine", "float16", true, int64_t{208} << 20, 1000}};
  BenchPoint small{4, 384, 1, 1536, 50, 3.0e11, 0.001, 9.5, int64_t{1} << 30, {}};
  small.timings = {sample_timing(0.0008, 0.01, {{"a.weight", "sparse 1"}, {"b.weight", "sparse 1"}}),
                   sample_timing(0.001, 0.02, {{"a.weight", "dense"}, {"b.weight", "dense"}})};
  BenchPoint large{64, 384, 1, 24576, 10, 4.8e12, 0.002, 9.0, int64_t{2} << 30, {}};
  large.timings = {sample_timing(0.0064, 0.01, {{"a.weight", "sparse 1"}, {"b.weight", "sparse 2"}}),
                   sample_timing(0.0096, 0.03, {{"a.weight", "dense"}, {"b.weight", "dense"}})};
  report.points = {small, large};
  report.before = GpuState{"NVIDIA H200", "580.65", 345, 3201, 31, 76.2};
  report.after = GpuState{"NVIDIA H200", "580.65", 1980, 3201, 52, 410};
  report.gates = {{"min-speedup", 1.2, 1.25, true, "speed-up at batch 4, length 384: 1.25 is 0.05 above"}};
  report.warnings = {"look out"};
  return report;
}

// One model on the windows of a file, on a CPU.
inline BenchReport sample_bench_of_file() {
  BenchReport report;
  report.device = "cpu";
  report.data = BenchData{"dev.safetensors", std::string(64, 'd'), 16, true};
  report.models = {{"bert.pt", std::string(64, 'a'), "interpreter", "float32", false, 1 << 20}};
  BenchPoint point;
  point.batch = 4;
  point.length = 384;
  point.batches = 4;
  point.tokens = 614.4;
  point.largest_output = 3;
  point.timings = {sample_timing(0.5, 0.01, {})};
  report.points = {point};
  return report;
}

inline BenchReport sample_bench_of_layer() {
  BenchReport report;
  report.device = "cpu";
  report.layer = BenchLayer{3072, 10240};
  report.models = {{"2:4", "", "FusedLinear", "float32", false, int64_t{64} << 20},
                   {"dense", "", "FusedLinear", "float32", false, int64_t{120} << 20}};
  BenchPoint point;
  point.tokens = 3072;
  point.flops = 2.0 * 3072 * 3072 * 10240;
  point.largest_difference = 0;
  point.largest_output = 5;
  point.timings = {sample_timing(2, 0, {{"layer", "k"}}), sample_timing(2.5, 0, {{"layer", "k"}})};
  report.points = {point};
  return report;
}

}  // namespace prune2to4
