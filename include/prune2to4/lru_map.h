// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace prune2to4 {

// The `capacity` values used last, by key.
template <typename Key, typename Value>
class LruMap {
 public:
  explicit LruMap(size_t capacity) : capacity_(capacity) {}

  // The value of `key`; where there is none, what make() returns becomes it. What was not used for longest
  // goes before: `make` may count on its memory.
  template <typename Make>
  Value& get(const Key& key, const Make& make) {
    if (const auto known = places_.find(key); known != places_.end()) {
      values_.splice(values_.begin(), values_, known->second);
      return values_.front().second;
    }
    if (values_.size() >= capacity_) {
      places_.erase(values_.back().first);
      values_.pop_back();
    }
    values_.emplace_front(key, make());
    places_.emplace(key, values_.begin());
    return values_.front().second;
  }

  size_t size() const { return values_.size(); }
  void clear() {
    places_.clear();
    values_.clear();
  }

 private:
  using Values = std::list<std::pair<Key, Value>>;  // the last used first

  size_t capacity_;
  Values values_;
  std::map<Key, typename Values::iterator> places_;
};

}  // namespace prune2to4
