// SPDX-License-Identifier: Apache-2.0
#include "core/pickle.h"

#include <bit>
#include <utility>

#include "core/little_endian.h"
#include "core/pickle_machine.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

// Python's pickletools has the names and meanings.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kEmptyList = ']',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kEmptyDict = '}',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8A,
};

std::string hex8(uint8_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  return {'0', 'x', kDigits[value >> 4U], kDigits[value & 15U]};
}

}  // namespace

void PickleMachine::fail(const std::string& what) const {
  throw Error(ExitStatus::kModel, "archive",
              where_ + " is not a pickle as TorchScript writes it: byte " + std::to_string(instruction_) +
                  ": " + what);
}

void PickleMachine::unsupported(const std::string& what) const {
  throw Error(ExitStatus::kModel, "archive",
              where_ + " holds, at byte " + std::to_string(instruction_) + ", " + what);
}

template <typename T>
T PickleMachine::read() {
  if (bytes_.size() - position_ < sizeof(T)) fail("the pickle ends within an instruction");
  const T value = load_little_endian<T>(bytes_, position_);
  position_ += sizeof(T);
  return value;
}

std::string_view PickleMachine::read_bytes(size_t count) {
  if (bytes_.size() - position_ < count) fail("a string runs past the end of the pickle");
  const auto* text = reinterpret_cast<const char*>(bytes_.data() + position_);
  position_ += count;
  return {text, count};
}

std::string_view PickleMachine::read_line() {
  const std::string_view rest = {reinterpret_cast<const char*>(bytes_.data() + position_),
                                 bytes_.size() - position_};
  const size_t size = rest.find('\n');
  if (size == std::string_view::npos) fail("a name runs past the end of the pickle");
  position_ += size + 1;
  return rest.substr(0, size);
}

PickleMachine::Index PickleMachine::make(PickleKind kind) {
  if (result_.nodes.size() == kMaxPickleNodes) {
    fail("more than " + std::to_string(kMaxPickleNodes) + " values");
  }
  result_.nodes.emplace_back().kind = kind;
  return static_cast<Index>(result_.nodes.size() - 1);
}

PickleMachine::Index PickleMachine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("too few values on the stack");
  return stack_.back();
}

PickleMachine::Index PickleMachine::pop() {
  const Index index = top();
  stack_.pop_back();
  return index;
}

const PickleNode& PickleMachine::expect(Index index, PickleKind kind, const char* what) const {
  if (node(index).kind != kind) fail(std::string("expected ") + what);
  return node(index);
}

std::vector<PickleMachine::Index> PickleMachine::take(size_t count) {
  if (stack_.size() - (marks_.empty() ? 0 : marks_.back()) < count) fail("too few values on the stack");
  const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<Index> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  return items;
}

std::vector<PickleMachine::Index> PickleMachine::take_from_mark() {
  if (marks_.empty()) fail("no mark on the stack");
  const size_t height = marks_.back();
  std::vector<Index> items = take(stack_.size() - height);
  marks_.pop_back();
  return items;
}

void PickleMachine::push_tuple(size_t size) {
  std::vector<Index> items = take(size);
  push(make(PickleKind::kTuple));
  result_.nodes.back().items = std::move(items);
}

void PickleMachine::append_items() {
  const std::vector<Index> items = take_from_mark();
  const Index list = top();
  if (expect(list, PickleKind::kList, "a list to append to").frozen) fail("appends to a list already in use");
  auto& all = result_.nodes[list].items;
  all.insert(all.end(), items.begin(), items.end());
}

void PickleMachine::set_items() {
  const std::vector<Index> items = take_from_mark();
  const Index dict = top();
  if (expect(dict, PickleKind::kDict, "a dict to set items of").frozen) fail("changes a dict already in use");
  if (items.size() % 2 != 0) fail("a key without a value");
  auto& all = result_.nodes[dict].items;
  all.insert(all.end(), items.begin(), items.end());
}

// LibTorch numbers its slots from 0 without gaps, and allocates up to whatever slot is named.
void PickleMachine::put_memo(size_t slot) {
  const Index index = top();
  if (node(index).kind == PickleKind::kObject && node(index).items.empty())
    fail("memoises an object before its state");
  if (slot > memo_.size()) fail("memo slot " + std::to_string(slot) + " comes too early");
  if (slot == memo_.size()) memo_.push_back(index);
  memo_[slot] = index;
}

void PickleMachine::get_memo(size_t slot) {
  if (slot >= memo_.size()) fail("memo slot " + std::to_string(slot) + " is empty");
  push(memo_[slot]);
}

void PickleMachine::mark() {
  if (marks_.size() >= kMaxPickleDepth) fail("nested more than " + std::to_string(kMaxPickleDepth) + " deep");
  marks_.push_back(stack_.size());
}

bool PickleMachine::push_scalar(uint8_t opcode) {
  PickleNode value;
  switch (opcode) {
    case kNone:
      break;
    case kNewTrue:
    case kNewFalse:
      value.kind = PickleKind::kBool;
      value.integer = opcode == kNewTrue ? 1 : 0;
      break;
    case kBinInt:
    case kBinInt1:
    case kBinInt2:
      value.kind = PickleKind::kInt;
      value.integer = opcode == kBinInt    ? read<int32_t>()
                      : opcode == kBinInt1 ? read<uint8_t>()
                                           : read<uint16_t>();
      break;
    case kLong1:
      if (read<uint8_t>() != 8) fail("a long integer that has not 8 bytes");
      value.kind = PickleKind::kInt;
      value.integer = read<int64_t>();
      break;
    case kBinFloat:
      value.kind = PickleKind::kFloat;
      value.number = std::bit_cast<double>(__builtin_bswap64(read<uint64_t>()));
      break;
    case kBinUnicode:
      value.kind = PickleKind::kString;
      value.text = read_bytes(read<uint32_t>());
      break;
    default:
      return false;
  }
  push(make(value.kind));
  result_.nodes.back() = std::move(value);
  return true;
}

void PickleMachine::step(uint8_t opcode) {
  if (push_scalar(opcode)) return;
  switch (opcode) {
    case kMark:
      return mark();
    case kEmptyList:
      return push(make(PickleKind::kList));
    case kEmptyDict:
      return push(make(PickleKind::kDict));
    case kEmptyTuple:
      return push(make(PickleKind::kTuple));
    case kTuple: {
      std::vector<Index> items = take_from_mark();
      push(make(PickleKind::kTuple));
      result_.nodes.back().items = std::move(items);
      return;
    }
    case kTuple1:
      return push_tuple(1);
    case kTuple2:
      return push_tuple(2);
    case kTuple3:
      return push_tuple(3);
    case kAppends:
      return append_items();
    case kSetItems:
      return set_items();
    case kBinPut:
      return put_memo(read<uint8_t>());
    case kLongBinPut:
      return put_memo(read<uint32_t>());
    case kBinGet:
      return get_memo(read<uint8_t>());
    case kLongBinGet:
      return get_memo(read<uint32_t>());
    case kGlobal:
      return push_global();
    case kNewObj:
      return make_object();
    case kBuild:
      return build_object();
    case kReduce:
      return call();
    case kBinPersId:
      return push_storage();
    case kStop:
      stopped_ = true;
      return;
    default:
      fail("unknown opcode " + hex8(opcode));
  }
}

Pickle PickleMachine::run() {
  if (bytes_.size() > kMaxPickleBytes) fail("longer than " + std::to_string(kMaxPickleBytes) + " bytes");
  if (read<uint8_t>() != kProto || read<uint8_t>() != 2) fail("does not start as protocol 2");
  while (!stopped_) {
    instruction_ = position_;
    step(read<uint8_t>());
  }
  if (stack_.size() != 1 || !marks_.empty())
    fail("ends with a stack of " + std::to_string(stack_.size()) + " values");
  if (position_ != bytes_.size()) fail("has bytes after its end");
  result_.root = stack_.front();
  check_shape();
  check_keys();
  return std::move(result_);
}

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where) {
  return PickleMachine(bytes, where).run();
}

}  // namespace prune2to4
