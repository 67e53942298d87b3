// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/hash.h"

#include <catch2/catch.hpp>
#include <string>

namespace prune2to4 {
namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string sha256(const std::string& text) {
  Sha256 digest;
  digest.update(bytes(text));
  return digest.hex();
}

CATCH_TEST_CASE("CRC-32 gives the check values of its catalogue") {
  CATCH_CHECK(crc32(bytes("")) == 0);
  CATCH_CHECK(crc32(bytes("123456789")) == 0xCBF43926U);
  CATCH_CHECK(crc32(bytes(std::string(32, '\0'))) == 0x190A55ADU);
  CATCH_CHECK(crc32(bytes(std::string(32, '\xff'))) == 0xFF6CAB0BU);
}

CATCH_TEST_CASE("SHA-256 gives the digests of FIPS 180-4") {
  CATCH_CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CATCH_CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CATCH_CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CATCH_CHECK(sha256(std::string(1'000'000, 'a')) ==
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

CATCH_TEST_CASE("SHA-256 of pieces is that of the whole") {
  Sha256 digest;
  for (const char* piece : {"a", "", "b", "c"}) digest.update(bytes(piece));
  CATCH_CHECK(digest.hex() == sha256("abc"));
}

}  // namespace
}  // namespace prune2to4
