// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace prune2to4 {

// Where write_report puts a report's three forms: STEM.report.{html,md,json}.
struct ReportFiles {
  std::filesystem::path html;
  std::filesystem::path markdown;
  std::filesystem::path json;
};

ReportFiles report_files(const std::filesystem::path& stem);

}  // namespace prune2to4
