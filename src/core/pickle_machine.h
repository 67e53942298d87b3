// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>

#include "core/pickle.h"

namespace prune2to4 {

// The stack machine behind parse_pickle(). Stricter than LibTorch's Unpickler, where a functor is a plain
// number on the stack and a class is called the same way as a function: what could be read in two ways is
// refused.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  Pickle run();

 private:
  using Index = uint32_t;

  // pickle.cpp: opcodes
  void step(uint8_t opcode);
  bool push_scalar(uint8_t opcode);
  void push_tuple(size_t size);
  void append_items();
  void set_items();
  void put_memo(size_t slot);
  void get_memo(size_t slot);
  void mark();
  std::vector<Index> take_from_mark();
  std::vector<Index> take(size_t count);

  // pickle_calls.cpp: what NEWOBJ, BUILD, REDUCE and BINPERSID make
  void push_global();
  void make_object();
  void build_object();
  void call();
  Index call_function(const std::string& function, Index arguments);
  Index make_tensor(const std::vector<Index>& arguments);
  void push_storage();
  std::vector<int64_t> integers(Index tuple) const;

  // pickle_shape.cpp
  void check_shape() const;
  void check_keys() const;

  template <typename T>
  T read();
  std::string_view read_bytes(size_t count);
  std::string_view read_line();
  Index make(PickleKind kind);
  void push(Index node) { stack_.push_back(node); }
  Index pop();
  Index top() const;
  const PickleNode& node(Index index) const { return result_.nodes[index]; }
  const PickleNode& expect(Index index, PickleKind kind, const char* what) const;
  [[noreturn]] void fail(const std::string& what) const;  // malformed
  [[noreturn]] void unsupported(
      const std::string& what) const;  // well-formed, but not taken: "a sparse tensor"

  std::span<const std::byte> bytes_;
  const std::string& where_;
  size_t position_ = 0;     // of the next byte
  size_t instruction_ = 0;  // of the current opcode
  bool stopped_ = false;
  std::vector<Index> stack_;
  std::vector<size_t> marks_;  // heights of stack_
  std::vector<Index> memo_;
  Pickle result_;
};

}  // namespace prune2to4
