// SPDX-License-Identifier: Apache-2.0
#include "core/report/json_pieces.h"
#include "prune2to4/bench_report.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::ordered_json;

Json model_json(const BenchModel& model) {
  return {{"name", model.name},
          {"sha256", text_or_null(model.sha256)},
          {"engine", model.engine},
          {"dtype", model.dtype},
          {"removes_padding", model.removes_padding},
          {"weight_bytes", model.weight_bytes},
          {"peak_tflops", model.peak_teraflops > 0 ? Json(model.peak_teraflops) : Json()}};
}

Json timing_json(const BenchPoint& point, const BenchTiming& timing, const BenchModel& model) {
  const Statistics& seconds = timing.seconds;
  Json kernels = Json::array();
  for (const LayerKernel& each : timing.kernels) {
    kernels.push_back({{"layer", each.layer}, {"kernel", each.kernel}});
  }
  Json profile = Json::array();
  for (const KernelTime& each : timing.profile) {
    profile.push_back({{"kernel", each.name}, {"calls", each.calls}, {"ms", 1e3 * each.seconds}});
  }
  return {{"model", model.name},
          {"repeats", seconds.count},
          {"median_ms", 1e3 * seconds.median},
          {"p90_ms", 1e3 * seconds.p90},
          {"p99_ms", 1e3 * seconds.p99},
          {"min_ms", 1e3 * seconds.min},
          {"max_ms", 1e3 * seconds.max},
          {"spread", seconds.spread},
          {"samples_per_second", samples_per_second(point, timing)},
          {"tokens_per_second", tokens_per_second(point, timing)},
          {"tflops", teraflops(point, timing)},
          {"peak_share", peak_share(model, point, timing)},
          {"kernels", std::move(kernels)},
          {"profile", std::move(profile)}};
}

Json point_json(const BenchReport& report, const BenchPoint& point) {
  Json timings = Json::array();
  for (size_t i = 0; i < point.timings.size(); ++i) {
    timings.push_back(timing_json(point, point.timings[i], report.models[i]));
  }
  return {{"batch", report.layer ? Json() : Json(point.batch)},
          {"length", report.layer ? Json() : Json(point.length)},
          {"batches", point.batches},
          {"tokens", point.tokens},
          {"calls", point.calls},
          {"speedup", speedup(point)},
          {"largest_difference", value_or_null(point.largest_difference)},
          {"largest_output", value_or_null(point.largest_output)},
          {"peak_bytes", value_or_null(point.peak_bytes)},
          {"timings", std::move(timings)}};
}

Json layer_json(const std::optional<BenchLayer>& layer) {
  if (!layer) return {};
  return {{"rows", layer->rows}, {"cols", layer->cols}};
}

Json data_json(const std::optional<BenchData>& data) {
  if (!data) return {};
  return {
      {"name", data->name}, {"sha256", data->sha256}, {"windows", data->windows}, {"limited", data->limited}};
}

Json state_json(const std::optional<GpuState>& state) {
  if (!state) return {};
  return {{"name", state->name},
          {"driver", state->driver},
          {"sm_clock_mhz", state->sm_clock},
          {"memory_clock_mhz", state->memory_clock},
          {"temperature_c", state->temperature},
          {"power_w", state->power}};
}

}  // namespace

std::string bench_json(const BenchReport& report) {
  Json models = Json::array();
  for (const BenchModel& model : report.models) models.push_back(model_json(model));
  Json points = Json::array();
  for (const BenchPoint& point : report.points) points.push_back(point_json(report, point));
  Json gates = Json::array();
  for (const GateResult& gate : report.gates) gates.push_back(gate_json(gate));
  return json_text({{"version", BenchReport::kVersion},
                    {"kind", "bench"},
                    {"command", report.command},
                    {"started", report.started},
                    {"environment", named_values(report.environment)},
                    {"settings", named_values(report.settings)},
                    {"device", report.device},
                    {"layer", layer_json(report.layer)},
                    {"data", data_json(report.data)},
                    {"models", std::move(models)},
                    {"points", std::move(points)},
                    {"gpu", {{"before", state_json(report.before)}, {"after", state_json(report.after)}}},
                    {"gates", std::move(gates)},
                    {"warnings", report.warnings}});
}

}  // namespace prune2to4
