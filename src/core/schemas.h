// SPDX-License-Identifier: Apache-2.0
#pragma once

// The texts of configs/*.schema.json; the build makes the source file that defines them.
namespace prune2to4 {

extern const char* const kLayerConfigSchema;
extern const char* const kReportSchema;

}  // namespace prune2to4
