// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <unordered_set>

#include "core/zip_directory.h"

namespace prune2to4 {
namespace {

constexpr size_t kMaxName = 511;  // LibTorch's reader has a buffer of 512 with a NUL

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string name_fault(std::string_view name) {
  if (name.size() > kMaxName) return "has a name of more than " + std::to_string(kMaxName) + " bytes";
  if (name.find('\\') != std::string_view::npos) return "has a backslash in its name";
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return "has a control character in its name";
  }
  if (name.starts_with('/')) return "has an absolute name";
  size_t start = 0;
  while (start <= name.size()) {
    const size_t slash = std::min(name.find('/', start), name.size());
    const std::string_view part = name.substr(start, slash - start);
    if (part.empty()) return "has a name with an empty part";
    if (part == "." || part == "..") return "has a name with \"" + std::string(part) + "\" in it";
    start = slash + 1;
  }
  return {};
}

// LibTorch finds records whatever the case: "CODE/m.PY" would be loaded as code. What is special to it must
// therefore be spelt as it spells it.
bool misspelt_special(std::string_view name, std::string_view lower) {
  constexpr std::array<std::string_view, 6> kRecords = {"data.pkl",      "constants.pkl", "version",
                                                        ".data/version", "byteorder",     "model.json"};
  constexpr std::array<std::string_view, 3> kFolders = {"data/", "constants/", "code/"};
  if (name == lower) return false;
  if (std::find(kRecords.begin(), kRecords.end(), lower) != kRecords.end()) return true;
  return std::any_of(kFolders.begin(), kFolders.end(), [&](std::string_view folder) {
    return lower.starts_with(folder) && !name.starts_with(folder);
  });
}

}  // namespace

std::string check_zip_names(std::vector<ZipRecord>& records, const std::string& file) {
  std::string top;
  std::unordered_set<std::string> seen;
  for (ZipRecord& record : records) {
    std::string& name = record.entry.name;
    if (const std::string fault = name_fault(name); !fault.empty()) refuse_record(file, name, fault);
    const size_t slash = name.find('/');
    if (slash == std::string::npos)
      refuse_record(file, name, "is in no folder; LibTorch puts all records in one");
    if (top.empty()) top = name.substr(0, slash);
    if (std::string_view(name).substr(0, slash) != top) {
      refuse_record(file, name, "is not in the folder \"" + top + "\" as the others are");
    }
    const std::string lower = lower_case(std::string_view(name).substr(slash + 1));
    if (misspelt_special(std::string_view(name).substr(slash + 1), lower)) {
      refuse_record(file, name, "has upper-case letters where LibTorch writes lower-case ones");
    }
    if (!seen.insert(lower).second) {
      refuse_record(file, name, "is there twice (LibTorch takes no notice of upper and lower case)");
    }
    name.erase(0, slash + 1);
  }
  return top;
}

}  // namespace prune2to4
