// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "ops/product_shape.h"
#include "prune2to4/api.h"

namespace prune2to4 {

// Which kernel is the fastest for each product, kept between processes: a text file for each environment
// (GPU, driver, library versions), replaced as a whole. A file that is damaged, or another environment's, is
// ignored with a warning and then overwritten; one that cannot be written is warned of once, and the process
// goes on without. Not thread-safe; several processes may use one file.
class PRUNE2TO4_API KernelCache {
 public:
  KernelCache(std::filesystem::path file, std::string environment);

  std::optional<std::string> find(const ProductShape& shape) const;
  void add(const ProductShape& shape, std::string kernel);

  // Kernels that ended a process which timed them, with whatever shape: they are not tried again.
  const std::set<std::string>& failed() const { return contents_.failed; }
  void add_failed(const std::set<std::string>& kernels);

 private:
  struct Contents {
    std::map<std::string, std::string> kernels;  // by key
    std::set<std::string> failed;
  };

  Contents read() const;
  static bool read_line(const std::string& line, Contents& contents);
  void add(Contents more);
  bool write() const;

  std::filesystem::path file_;
  std::string environment_;
  Contents contents_;
  bool writable_ = true;
};

// The cache for `environment` in the folder that PRUNE2TO4_CACHE names, else $XDG_CACHE_HOME/prune2to4, else
// ~/.cache/prune2to4. nullptr where there is none: PRUNE2TO4_CACHE is empty, or there is no home.
KernelCache* kernel_cache(const std::string& environment);
// Its path in a folder.
PRUNE2TO4_API std::filesystem::path kernel_cache_file(const std::filesystem::path& folder,
                                                      std::string_view environment);

}  // namespace prune2to4
