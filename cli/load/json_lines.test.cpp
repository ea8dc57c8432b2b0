#include "cli/load/json_lines.hpp"

#include "cli/load/base64.hpp"
#include "memory/limits.hpp"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <random>

using namespace neuroplex;
using namespace neuroplex::cli;

namespace {

std::string reason(std::string_view line) {
  record entry;
  auto parsed = parse_json_line(line, entry);
  return parsed ? std::string{} : parsed.error().message();
}

} // namespace

TEST_CASE("base64 goes there and back for every length") {
  std::mt19937_64 random{4648};
  for (std::size_t length = 0; length < 200; ++length) {
    std::string bytes;
    for (std::size_t i = 0; i < length; ++i)
      bytes += static_cast<char>(random());
    std::string text;
    append_base64(text, bytes);
    std::string again;
    REQUIRE(decode_base64(text, again));
    REQUIRE(again == bytes);
  }
  std::string text;
  append_base64(text, "foobar");
  CHECK(text == "Zm9vYmFy");
  std::string unused;
  for (auto bad : {"A", "AA", "AAA", "A===", "AA=A", "AB==", "AAB=", "AA A",
                   "AAAA=", "====", "AA*A", "Zm9vYmFy\n"})
    CHECK_FALSE(decode_base64(bad, unused));
}

TEST_CASE("JSON lines become records") {
  json_lines_reader reader{string_source(
    "in.jsonl", "\xef\xbb\xbf{\"key\":\"a\",\"value\":\"\\u00e9\\u0000\"}\r\n"
                "\n"
                "{\"ttl_ms\":5,\"value_base64\":\"/wA=\",\"key_base64\":"
                "\"AAE=\"}")};
  record entry;
  auto step = reader.next(entry);
  REQUIRE(step);
  CHECK(*step == read_step::record);
  CHECK(entry.key == "a");
  CHECK(entry.value == std::string("\xc3\xa9\0", 3));
  CHECK(entry.ttl_ms == 0);
  step = reader.next(entry);
  REQUIRE(step);
  CHECK(entry.key == std::string("\0\1", 2));
  CHECK(entry.value == std::string("\xff\0", 2));
  CHECK(entry.ttl_ms == 5);
  step = reader.next(entry);
  REQUIRE(step);
  CHECK(*step == read_step::end);
}

TEST_CASE("a line of another shape is refused with the reason") {
  CHECK(reason(R"({"key":"a","value":"b"})").empty());
  CHECK(reason(R"([])") == R"(expected an object {"key":...,"value":...})");
  CHECK(reason(R"("x")") == R"(expected an object {"key":...,"value":...})");
  CHECK(reason(R"({})") == R"(no "key": give "key" or "key_base64")");
  CHECK(reason(R"({"key":"a"})")
        == R"(no "value": give "value" or "value_base64")");
  CHECK(reason(R"({"key":"a","value":1})") == "the value must be a string");
  CHECK(reason(R"({"key":"a","value":{"x":1}})")
        == "the value must be a string");
  CHECK(reason(R"({"key":["a"],"value":""})") == "the key must be a string");
  CHECK(reason(R"({"key":null,"value":""})") == "the key must be a string");
  CHECK(reason(R"({"key":"a","key_base64":"AA==","value":""})")
        == "key is given twice");
  CHECK(reason(R"({"key":"a","value":"","value":""})")
        == "value is given twice");
  CHECK(reason(R"({"key":"a","value":"","ttl_ms":0})")
        == R"("ttl_ms" must be 1 or more and fit 63 bits)");
  CHECK(reason(R"({"key":"a","value":"","ttl_ms":-1})")
        == R"("ttl_ms" must be 1 or more and fit 63 bits)");
  CHECK(reason(R"({"key":"a","value":"","ttl_ms":1.5})")
        == R"("ttl_ms" must be a whole number)");
  CHECK(reason(R"({"key":"a","value":"","ttl_ms":18446744073709551615})")
        == R"("ttl_ms" must be 1 or more and fit 63 bits)");
  CHECK(reason(R"({"key":"a","value":"","tll_ms":1})")
          .starts_with(R"(unknown member "tll_ms": expected )"));
  CHECK(reason(R"({"key_base64":"A","value":""})")
        == R"("key_base64" is not base64 with padding)");
  CHECK(reason(R"({"key":"a","value":"b"} x)")
          .starts_with("not valid JSON at column "));
  CHECK(reason("{\"key\":\"\xff\",\"value\":\"\"}")
          .starts_with("not valid JSON at column "));
  CHECK(reason(R"({"key":"a","value":"\ud800"})")
          .starts_with("not valid JSON at column "));
  CHECK(reason(std::string(1'000'000, '['))
        == R"(expected an object {"key":...,"value":...})");
}

TEST_CASE("a refused line tells file and line and leaves the record alone") {
  json_lines_reader reader{string_source(
    "in.jsonl", "{\"key\":\"a\",\"value\":\"b\"}\n\n{\"key\":\"c\","
                "\"value\":\"d\",\"ttl_ms\":true}\n")};
  record entry;
  REQUIRE(reader.next(entry));
  for (int again = 0; again < 2; ++again) {
    auto step = reader.next(entry);
    REQUIRE(!step);
    CHECK(step.code() == errc::protocol);
    CHECK(step.error().message()
          == "in.jsonl:3: \"ttl_ms\" must be a whole number");
    CHECK(entry.key == "a");
    CHECK(entry.value == "b");
  }
}

TEST_CASE("keys and lifetimes that can never be stored are refused early") {
  auto refusal = [](const std::string& line) {
    json_lines_reader reader{string_source("in", line)};
    record entry;
    return reader.next(entry).code();
  };
  CHECK(refusal(R"({"key":"","value":""})") == errc::bad_key);
  CHECK(refusal(R"({"key":")" + std::string(limits::max_key_bytes, 'k')
                + R"(","value":""})")
        == errc::ok);
  CHECK(refusal(R"({"key":")" + std::string(limits::max_key_bytes + 1, 'k')
                + R"(","value":""})")
        == errc::key_size);
  CHECK(refusal(R"({"key":"a","value":"","ttl_ms":9223372036854775807})")
        == errc::bad_ttl);
}

TEST_CASE("mutated JSON lines are refused or parsed as a tree parser does") {
  const std::string good =
    R"({"key":"k\u0031","value_base64":"AAEC","ttl_ms":12})";
  std::mt19937_64 random{8259};
  std::uint64_t accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    auto line = good;
    for (auto changes = 1 + random() % 2; changes > 0; --changes) {
      auto at = random() % line.size();
      auto byte = R"({}[]",:\u01kA= )"[random() % 15];
      if (random() % 2 == 0)
        line[at] = byte;
      else
        line.insert(at, 1, byte);
    }
    record entry;
    auto parsed = parse_json_line(line, entry);
    if (!parsed) {
      CHECK_FALSE(parsed.error().message().empty());
      continue;
    }
    ++accepted;
    auto tree = nlohmann::json::parse(line);
    if (tree.contains("key"))
      CHECK(tree["key"].get<std::string>() == entry.key);
    CHECK((!tree.contains("ttl_ms")
           || tree["ttl_ms"].get<std::int64_t>() == entry.ttl_ms));
  }
  CHECK(accepted > 100);
}
