// SPDX-License-Identifier: Apache-2.0
#pragma once

// The texts of configs/*.schema.json and configs/recipe_*.json; the build makes the source files that define
// them.
namespace prune2to4 {

extern const char* const kBenchSchema;
extern const char* const kEvaluationSchema;
extern const char* const kLayerConfigSchema;
extern const char* const kRecipeSchema;
extern const char* const kReportSchema;
extern const char* const kSettingsSchema;

extern const char* const kTinyRecipe;
extern const char* const kSmallRecipe;
extern const char* const kBaseRecipe;
extern const char* const kLargeRecipe;

}  // namespace prune2to4
