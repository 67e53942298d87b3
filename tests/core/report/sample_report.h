// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "prune2to4/report.h"
#include "sample_evaluation.h"
#include "sample_training.h"

namespace prune2to4 {

inline LayerReport sample_layer(const std::string& name, LayerReport::Outcome outcome) {
  LayerReport layer;
  layer.name = name;
  layer.rows = 8;
  layer.cols = 16;
  layer.dtype = "float32";
  layer.outcome = outcome;
  layer.rule = "no rule";
  layer.dense_bytes = 512;
  layer.stored_bytes = 512;
  if (outcome == LayerReport::Outcome::kDense) return layer;
  layer.rule = "/layers/0 match \"bert.*\"";
  layer.mask = MaskOptions{};
  layer.zeros = 64;
  layer.relative_error = 0.25;
  if (outcome == LayerReport::Outcome::kPacked) layer.stored_bytes = 272;
  if (outcome == LayerReport::Outcome::kMasked) layer.reason = "a group has 3 non-zero elements";
  return layer;
}

// Three layers (packed, masked, dense), a probe, a warning.
inline Report sample_report() {
  Report report;
  report.command = {"prune2to4", "prune", "model.pt", "--config", "my layers.json"};
  report.started = "2025-01-02T03:04:05Z";
  report.environment = {{"LibTorch", "2.11.0"}, {"CPU", "x86-64"}};
  report.input = {"model.pt", 2048, std::string(64, 'a')};
  report.output = FileReport{"model.2to4.pt", 1800, std::string(64, 'b')};
  report.layers = {sample_layer("bert.layer.0.weight", LayerReport::Outcome::kPacked),
                   sample_layer("bert.layer.1.weight", LayerReport::Outcome::kMasked),
                   sample_layer("qa_outputs.weight", LayerReport::Outcome::kDense)};
  report.probe = ProbeReport{true, "", 2, 128, "cpu", "float32", 5.0, 3e-7};
  report.warnings = {"layer 1 stays dense"};
  report.seconds = {{"load", 0.5}, {"prune", 1.25}};
  return report;
}

// Names as a hostile model could have them.
inline Report hostile_report() {
  Report report = sample_report();
  report.layers[0].name = "<script>alert(1)</script>";
  report.layers[1].name = "a|b`c`\x1b[2J\xff";
  report.layers[1].reason = "</td><img src=x onerror=alert(1)>";
  report.warnings = {"{{title}} & \"quoted\" <b>"};
  report.input.name = "</title><script>.pt";
  report.command = {"prune2to4", "it's </code>"};
  report.evaluation = hostile_evaluation_report().evaluation;
  report.sensitivity = SensitivityReport{};
  report.sensitivity->method = "wanda";
  report.sensitivity->data = "<img src=y>\n# `d`|";
  report.sensitivity->layers = {{"<script>\x1b[2J\xff|", 1, 2, 3, false}};
  report.training = {sample_run("<b>{{name}}\x1b[0m\xff|")};
  report.training[0].data = "</title><script>\n# x.safetensors";
  report.training[0].engine = "</desc><img src=x>";
  report.training[0].teacher = "`a`|b";
  return report;
}

// With scores of the three models, as `prune --eval` gives it.
inline Report scored_report() {
  Report report = sample_report();
  report.evaluation = sample_evaluation();
  return report;
}

// With the runs of `prune --train --control`.
inline Report trained_report() {
  Report report = scored_report();
  report.training = {sample_run("sparse"), sample_run("dense + same budget")};
  report.training[1].epochs[0].sparsity = 0;
  report.training[1].epochs[1].sparsity = 0;
  return report;
}

// As `finetune` gives it.
inline Report finetune_report() {
  Report report;
  report.command = {"prune2to4", "finetune", "model.pt", "--train", "train.safetensors"};
  report.started = "2025-01-02T03:04:05Z";
  report.input = {"model.pt", 2048, std::string(64, 'a')};
  report.output = FileReport{"model.tuned.pt", 2048, std::string(64, 'b')};
  report.layers = {sample_layer("bert.layer.0.weight", LayerReport::Outcome::kDense)};
  report.training = {sample_run("dense")};
  for (auto& epoch : report.training[0].epochs) epoch.sparsity = 0;
  report.seconds = {{"load", 0.5}, {"train", 8}};
  return report;
}

// As `prune --permute` gives it.
inline Report permuted_report() {
  Report report = sample_report();
  report.permutation = PermutationReport{12, 0.8125, 0.828125, "float64", 4, 0x1p-50, 3.5};
  return report;
}

// As `prune --calibrate` gives it.
inline Report calibrated_report() {
  Report report = sample_report();
  CalibrationReport calibration;
  calibration.method = "reconstruction";
  calibration.data = "text.safetensors";
  calibration.data_sha256 = std::string(64, 'c');
  calibration.windows = 1024;
  calibration.tokens = 204800;
  calibration.seconds = 12.5;
  report.calibration = calibration;
  report.layers[0].output_error = OutputError{0.5, 0.125};
  report.layers[1].output_error = OutputError{0.25, 0.25};
  return report;
}

// As `prune --sensitivity --skip-worst 1` gives it: with F1, or without questions.
inline Report sensitivity_report(bool scored) {
  Report report = sample_report();
  SensitivityReport sensitivity;
  sensitivity.method = "weight-norm";
  sensitivity.data = "dev.safetensors";
  sensitivity.data_sha256 = std::string(64, 'd');
  sensitivity.windows = 1738;
  sensitivity.seconds = 7.5;
  sensitivity.layers = {{"bert.layer.1.weight", 0.25, 0.5, std::nullopt, true},
                        {"bert.layer.0.weight", 0.125, 0.0625, std::nullopt, false}};
  if (scored) {
    sensitivity.dense_f1 = 74.5;
    sensitivity.layers[0].f1 = 70.25;
    sensitivity.layers[1].f1 = 74.75;
  }
  report.sensitivity = sensitivity;
  return report;
}

inline Report dry_report() {
  Report report = sample_report();
  report.dry_run = true;
  report.output.reset();
  report.probe.reset();
  return report;
}

}  // namespace prune2to4
