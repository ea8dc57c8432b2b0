#include "cli/byte_text.hpp"

#include "cli/show.hpp"
#include "cli/target/target.hpp"
#include "cli/target/target_flags.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace neuroplex;
using namespace neuroplex::cli;

TEST_CASE("every byte string survives each encoding", "[cli]") {
  std::string all;
  for (auto i = 0; i < 256; ++i)
    all += static_cast<char>(i);
  for (auto encoding :
       {byte_encoding::text, byte_encoding::hex, byte_encoding::base64})
    for (std::size_t length = 0; length <= all.size(); ++length) {
      auto bytes = all.substr(0, length);
      auto decoded = decode_bytes(encoding, encode_bytes(encoding, bytes));
      REQUIRE(decoded);
      CHECK(*decoded == bytes);
    }
}

TEST_CASE("text that does not decode is refused", "[cli]") {
  for (auto text : {"0", "0g", "0x", " 00"})
    CHECK_FALSE(decode_bytes(byte_encoding::hex, text));
  for (auto text : {"A", "A===", "A*==", "QQ=", "QQ==="})
    CHECK_FALSE(decode_bytes(byte_encoding::base64, text));
  CHECK(*decode_bytes(byte_encoding::hex, "00fF") == std::string("\0\xff", 2));
}

TEST_CASE("bytes that are not UTF-8 have a member of their own in JSON",
          "[cli]") {
  nlohmann::ordered_json object;
  put_bytes(object, "key", "gr\xc3\xbc\xc3\x9f");
  put_bytes(object, "value", "\xff");
  CHECK(object["key"] == "gr\xc3\xbc\xc3\x9f");
  CHECK(object["value_base64"] == "/w==");
  CHECK_FALSE(object.contains("value"));
}

TEST_CASE("an address is a host and a port", "[cli]") {
  std::string host;
  std::uint16_t port = 0;
  CHECK(parse_address("127.0.0.1:7400", host, port));
  CHECK(host == "127.0.0.1");
  CHECK(port == 7400);
  CHECK(parse_address("[::1]:1", host, port));
  CHECK(host == "::1");
  for (auto text : {"", "7400", ":7400", "a:", "a:0", "a:65536", "::1:7",
                    "a b:1", "a:1,2@b:2"})
    CHECK_FALSE(parse_address(text, host, port));
}

TEST_CASE("the place of a scan reads back", "[cli]") {
  for (auto place : {scan_place{0, 0}, scan_place{3, ~std::uint64_t{0}}}) {
    auto read = parse_scan_place(to_string(place));
    REQUIRE(read);
    CHECK(read->member == place.member);
    CHECK(read->cursor == place.cursor);
  }
  for (auto text : {"", "1", ":", "1:", ":1", "1:2x", "-1:2", "4294967296:0",
                    "0:18446744073709551616"})
    CHECK_FALSE(parse_scan_place(text));
}

TEST_CASE("a refused key is told with its limit and size", "[cli]") {
  CHECK(key_failure(errc::key_size, std::string(65'536, 'k')).message()
        == "key: 65536 bytes: expected 1 to 65535");
  CHECK(key_failure(errc::value_size, "k", 100, 64).message()
        == "value: 100 bytes: expected at most 64");
  CHECK(key_failure(errc::not_found, "a\nb").message().find('\n')
        == std::string::npos);
}
