// SPDX-License-Identifier: Apache-2.0
#include "core/nearest_names.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "prune2to4/layer_config.h"

namespace prune2to4 {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j + 1] + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names,
                                       size_t count) {
  std::vector<std::pair<size_t, size_t>> ranked;  // distance, index: equal distances stay in order
  ranked.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) ranked.emplace_back(edit_distance(name, names[i]), i);
  count = std::min(count, names.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count), ranked.end());

  std::vector<std::string> nearest;
  for (size_t i = 0; i < count; ++i) nearest.push_back(names[ranked[i].second]);
  return nearest;
}

}  // namespace prune2to4
