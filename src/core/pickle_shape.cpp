// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_set>

#include "core/pickle_machine.h"
#include "core/printable.h"

namespace prune2to4 {

// One pass in depth-first order over all nodes, with a stack of its own: a list may be appended to after it
// has been put into another, so depth is known only at the end. Code that walks the result may then recurse.
void PickleMachine::check_shape() const {
  enum : uint32_t { kUnseen = 0, kOpen = ~uint32_t{0} };
  struct Visit {
    Index index;
    size_t next_item;
  };
  std::vector<uint32_t> depths(result_.nodes.size(), kUnseen);
  std::vector<Visit> path;
  for (Index start = 0; start < result_.nodes.size(); ++start) {
    if (depths[start] != kUnseen) continue;
    path.push_back({start, 0});
    depths[start] = kOpen;
    while (!path.empty()) {
      Visit& visit = path.back();
      const PickleNode& here = node(visit.index);
      if (here.kind == PickleKind::kObject && here.items.empty())
        fail("an object of class " + here.text + " without state");
      if (visit.next_item < here.items.size()) {
        const Index item = here.items[visit.next_item++];
        if (depths[item] == kOpen) fail("a value that contains itself");
        if (depths[item] != kUnseen) continue;
        depths[item] = kOpen;
        path.push_back({item, 0});
        continue;
      }
      uint32_t depth = 1;
      for (const Index item : here.items) depth = std::max(depth, depths[item] + 1);
      if (depth > kMaxPickleDepth) fail("nested more than " + std::to_string(kMaxPickleDepth) + " deep");
      depths[visit.index] = depth;
      path.pop_back();
    }
  }
}

void PickleMachine::check_keys() const {
  for (const PickleNode& dict : result_.nodes) {
    if (dict.kind != PickleKind::kDict) continue;
    std::unordered_set<std::string_view> keys;
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const PickleNode& key = node(dict.items[i]);
      if (key.kind == PickleKind::kString && !keys.insert(key.text).second) {
        fail("the key \"" + printable(key.text) + "\" is there twice");
      }
    }
  }
}

}  // namespace prune2to4
