// SPDX-License-Identifier: Apache-2.0
#pragma once

// The texts of configs/*.schema.json; the build makes the source file that defines them.
namespace prune2to4 {

extern const char* const kEvaluationSchema;
extern const char* const kLayerConfigSchema;
extern const char* const kReportSchema;
extern const char* const kSettingsSchema;

}  // namespace prune2to4
