// SPDX-License-Identifier: Apache-2.0
#include "core/pickle.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "pickle_writer.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

Pickle parse(const std::string& bytes) {
  return parse_pickle(std::as_bytes(std::span(bytes)), "m.pt: record \"data.pkl\"");
}

std::string message(const std::string& bytes) {
  try {
    parse(bytes);
    return {};
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kModel);
    return error.what();
  }
}

std::string message(const PickleWriter& writer) { return message(writer.done()); }

std::string repeated(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

CATCH_TEST_CASE("scalars are read as Python writes them") {
  const Pickle pickle = parse(PickleWriter()
                                  .raw("(K\xff")
                                  .raw(std::string("M\0\x80", 3))
                                  .raw("J\xfe\xff\xff\xff")
                                  .integer(-(int64_t{1} << 40))
                                  .raw(std::string("G\x3f\xf8\0\0\0\0\0\0", 9))
                                  .text("na\xc3\xafve")
                                  .raw("\x88\x89Nt")
                                  .done());
  const PickleNode& tuple = pickle.nodes[pickle.root];
  CATCH_REQUIRE(tuple.kind == PickleKind::kTuple);
  CATCH_REQUIRE(tuple.items.size() == 9);
  const auto item = [&](size_t i) { return pickle.nodes[tuple.items[i]]; };
  CATCH_CHECK(item(0).integer == 255);
  CATCH_CHECK(item(1).integer == 32768);
  CATCH_CHECK(item(2).integer == -2);
  CATCH_CHECK(item(3).integer == -(int64_t{1} << 40));
  CATCH_CHECK(item(4).number == 1.5);
  CATCH_CHECK(item(5).text == "na\xc3\xafve");
  CATCH_CHECK(item(6).kind == PickleKind::kBool);
  CATCH_CHECK(item(6).integer == 1);
  CATCH_CHECK(item(7).integer == 0);
  CATCH_CHECK(item(8).kind == PickleKind::kNone);
}

CATCH_TEST_CASE("containers, memo and typed containers give the same node again") {
  const Pickle pickle = parse(PickleWriter()
                                  .raw("](")
                                  .global("torch.jit._pickle", "restore_type_tag")
                                  .raw("}(")
                                  .text("k")
                                  .put(0)
                                  .get(0)
                                  .raw("u")
                                  .text("Dict[str, str]")
                                  .raw("\x86R")
                                  .put(1)
                                  .get(1)
                                  .raw(")\x85")
                                  .raw("e")
                                  .done());
  const PickleNode& list = pickle.nodes[pickle.root];
  CATCH_REQUIRE(list.items.size() == 3);
  CATCH_CHECK(list.items[0] == list.items[1]);
  const PickleNode& dict = pickle.nodes[list.items[0]];
  CATCH_CHECK(dict.kind == PickleKind::kDict);
  CATCH_CHECK(dict.items[0] == dict.items[1]);
  CATCH_CHECK(pickle.globals ==
              std::vector<std::string>{"torch.jit._pickle.restore_type_tag", "Dict[str, str]"});
}

CATCH_TEST_CASE("a tensor is read with its storage") {
  const Pickle pickle = parse(PickleWriter().tensor("BFloat16Storage", "12", 24, {2, 3}, {1, 4}, 5).done());
  CATCH_CHECK(pickle.nodes[pickle.root].kind == PickleKind::kTensor);
  CATCH_REQUIRE(pickle.tensors.size() == 1);
  CATCH_CHECK(pickle.tensors[0].offset == 5);
  CATCH_CHECK(pickle.tensors[0].shape == std::vector<int64_t>{2, 3});
  CATCH_CHECK(pickle.tensors[0].strides == std::vector<int64_t>{1, 4});
  CATCH_REQUIRE(pickle.storages.size() == 1);
  CATCH_CHECK(pickle.storages[0].key == "12");
  CATCH_CHECK(pickle.storages[0].dtype == "bfloat16");
  CATCH_CHECK(pickle.storages[0].element_size == 2);
  CATCH_CHECK(pickle.storages[0].elements == 24);
}

CATCH_TEST_CASE("tensors are kept though nothing refers to them") {
  const Pickle pickle = parse(PickleWriter()
                                  .object("__torch__", "M")
                                  .text("x")
                                  .raw("(")
                                  .storage("FloatStorage", "0", 1)
                                  .raw("t")
                                  .end_object()
                                  .done());
  CATCH_CHECK(pickle.storages.size() == 1);
  CATCH_CHECK(pickle.nodes[pickle.root].text == "__torch__.M");
}

CATCH_TEST_CASE("opcodes that LibTorch's Pickler does not write are refused at their byte") {
  CATCH_CHECK_THAT(message(PickleWriter().raw("N0")), Catch::Contains("byte 3: unknown opcode 0x30"));
  for (const char* opcode :
       {"0", "1", "2",    "I",    "L",    "S",    "U",    "V",    "a",    "d",    "g",    "i",    "l",   "o",
        "p", "s", "\x82", "\x8b", "\x8c", "\x8d", "\x8e", "\x8f", "\x92", "\x93", "\x94", "\x95", "\x80"}) {
    CATCH_CHECK_THAT(message(PickleWriter().raw(opcode)), Catch::Contains("byte 2: unknown opcode"));
  }
}

CATCH_TEST_CASE("globals that a model does not need are refused") {
  for (const auto& [module, name] : {std::pair{"os", "system"},
                                     {"builtins", "eval"},
                                     {"torch", "load"},
                                     {"torch._tensor", "_rebuild_from_type_v2"},
                                     {"torch.distributed.rpc", "rref"},
                                     {"__main__", "TensorID"},
                                     {"__torch__x", "M"},
                                     {"torch", "QUInt4x2Storage"}}) {
    CATCH_CHECK_THAT(message(PickleWriter().global(module, name)), Catch::Contains("holds, at byte 2"));
  }
  CATCH_CHECK_THAT(message(PickleWriter().global("__torch__", "a b")), Catch::Contains("malformed"));
  CATCH_CHECK_THAT(message(PickleWriter().global("torch._utils", "_rebuild_qtensor")),
                   Catch::Contains("quantised"));
  CATCH_CHECK_THAT(message(PickleWriter().global("torch._utils", "_rebuild_sparse_tensor")),
                   Catch::Contains("sparse layout"));
}

CATCH_TEST_CASE("calls that LibTorch would read in another way are refused") {
  const PickleWriter tensor = PickleWriter().tensor("FloatStorage", "0", 4, {4}, {1});
  CATCH_CHECK(message(tensor).empty());
  CATCH_CHECK_THAT(message(PickleWriter().raw("K\x01)R")), Catch::Contains("a function to call"));
  CATCH_CHECK_THAT(message(PickleWriter().global("torch._utils", "_rebuild_tensor_v2").raw(")\x81")),
                   Catch::Contains("not a class"));
  CATCH_CHECK_THAT(message(PickleWriter().global("__torch__", "M").raw("K\x01\x85\x81")),
                   Catch::Contains("arguments"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("N}b")), Catch::Contains("an object to give a state to"));
  CATCH_CHECK_THAT(message(PickleWriter().object("__torch__", "M").end_object().raw("}b")),
                   Catch::Contains("second state"));
  CATCH_CHECK_THAT(message(PickleWriter().global("__torch__", "M").raw(")\x81")),
                   Catch::Contains("without state"));
  CATCH_CHECK_THAT(message(PickleWriter().global("__torch__", "M").raw(")\x81q").raw(std::string(1, '\0'))),
                   Catch::Contains("before its state"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("(").text("module").raw("tQ")),
                   Catch::Contains("not a storage's"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("}").put(0).raw("0")), Catch::Contains("unknown opcode"));
}

CATCH_TEST_CASE("a state cannot be changed after it has been used") {
  CATCH_CHECK_THAT(message(PickleWriter()
                               .raw("(")
                               .global("__torch__", "M")
                               .raw(")\x81}")
                               .put(0)
                               .raw("b")
                               .get(0)
                               .raw("(")
                               .text("k")
                               .raw("Nut")),
                   Catch::Contains("already in use"));
  CATCH_CHECK_THAT(message(PickleWriter()
                               .raw("(")
                               .global("torch.jit._pickle", "build_intlist")
                               .raw("]")
                               .put(0)
                               .raw("\x85R")
                               .get(0)
                               .raw("(K\x01")
                               .raw("et")),
                   Catch::Contains("already in use"));
}

CATCH_TEST_CASE("malformed pickles are refused") {
  CATCH_CHECK_THAT(message(""), Catch::Contains("ends within"));
  CATCH_CHECK_THAT(message("\x80\x04N."), Catch::Contains("protocol 2"));
  CATCH_CHECK_THAT(message(PickleWriter().done() + "N"), Catch::Contains("stack of 0"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("N").done() + "N"), Catch::Contains("bytes after its end"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("NN")), Catch::Contains("stack of 2"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("N(\x85")), Catch::Contains("too few"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("t")), Catch::Contains("no mark"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("}(Nu")), Catch::Contains("key without a value"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("N(Ne")), Catch::Contains("a list to append to"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("X\xff\xff\xff\xff")), Catch::Contains("runs past the end"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("c__torch__")), Catch::Contains("runs past the end"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("\x8a\x01\x01")), Catch::Contains("8 bytes"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("h\x07")), Catch::Contains("slot 7 is empty"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("Nr\xff\xff\xff\x7f")), Catch::Contains("too early"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("}(").text("k").raw("N").text("k").raw("Nu")),
                   Catch::Contains("twice"));
}

CATCH_TEST_CASE("depth, cycles and sharing are bounded") {
  CATCH_CHECK(message(PickleWriter().raw(")").raw(repeated("\x85", 255))).empty());
  CATCH_CHECK_THAT(message(PickleWriter().raw(")").raw(repeated("\x85", 256))), Catch::Contains("256 deep"));
  CATCH_CHECK_THAT(message(PickleWriter().raw(repeated("(", 300)).raw(repeated("t", 300))),
                   Catch::Contains("256 deep"));
  CATCH_CHECK_THAT(message(PickleWriter().raw("]").put(0).raw("(").get(0).raw("e")),
                   Catch::Contains("contains itself"));
  // Lists nested from the outside in: when one is put into another, it is still shallow.
  PickleWriter chain;
  chain.raw("(]");
  for (uint32_t i = 0; i < 300; ++i) chain.raw("(]r").raw(bytes_of(i)).raw("ej").raw(bytes_of(i));
  CATCH_CHECK_THAT(message(chain.raw("t")), Catch::Contains("256 deep"));
  // 2^200 paths to one leaf.
  PickleWriter doubled;
  doubled.raw(")").put(0);
  for (int i = 0; i < 200; ++i) doubled.get(0).raw("\x86").put(0);
  CATCH_CHECK(message(doubled).empty());
}

CATCH_TEST_CASE("random changes never crash the reader") {
  const std::string good = PickleWriter()
                               .object("__torch__", "M")
                               .text("w")
                               .tensor("FloatStorage", "0", 4, {2, 2}, {2, 1})
                               .text("l")
                               .raw("](K\x01K\x02")
                               .raw("e")
                               .end_object()
                               .done();
  std::mt19937 random(3);
  size_t refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 3; ++k) bytes[2 + random() % (bytes.size() - 2)] = static_cast<char>(random());
    if (!message(bytes).empty()) ++refused;
  }
  CATCH_CHECK(refused > 15'000);
}

}  // namespace
}  // namespace prune2to4
