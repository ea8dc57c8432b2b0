#include "cli/load/csv.hpp"

#include "memory/limits.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex;
using namespace neuroplex::cli;

namespace {

struct outcome {
  std::vector<record> records;
  std::string message; // empty when the end was reached
  errc code = errc::ok;
};

outcome read_all(std::string text, csv_options options = {},
                 std::size_t block_bytes = 65'536) {
  csv_reader reader{string_source("in.csv", std::move(text), block_bytes),
                    std::move(options)};
  outcome result;
  for (;;) {
    record entry;
    auto step = reader.next(entry);
    if (!step) {
      result.message = step.error().message();
      result.code = step.code();
      return result;
    }
    if (*step == read_step::end)
      return result;
    result.records.push_back(std::move(entry));
  }
}

std::string in_quotes(std::string_view text) {
  std::string result{'"'};
  for (char c : text) {
    if (c == '"')
      result += '"';
    result += c;
  }
  return result += '"';
}

} // namespace

TEST_CASE("rows become records whatever the block size") {
  const std::string text = "\xef\xbb\xbfname,key,value,ttl_ms\r\n"
                           "x,a,\"b, \"\"c\"\"\r\nd\",5\r\n"
                           ",k2,,\n"
                           "y,k3,last,";
  for (std::size_t block : {1U, 2U, 7U, 1000U}) {
    auto all = read_all(text, {}, block);
    CHECK(all.message.empty());
    REQUIRE(all.records.size() == 3);
    CHECK(all.records[0].key == "a");
    CHECK(all.records[0].value == "b, \"c\"\r\nd");
    CHECK(all.records[0].ttl_ms == 5);
    CHECK(all.records[1].key == "k2");
    CHECK(all.records[1].value.empty());
    CHECK(all.records[1].ttl_ms == 0);
    CHECK(all.records[2].value == "last");
  }
}

TEST_CASE("columns are chosen by name and delimiter") {
  csv_options options;
  options.key_column = "id";
  options.value_column = "full name";
  options.ttl_column = "life";
  options.delimiter = '\t';
  auto all = read_all("full name\tid\nAda, of course\t7\n", options);
  CHECK(all.message.empty());
  REQUIRE(all.records.size() == 1);
  CHECK(all.records[0].key == "7");
  CHECK(all.records[0].value == "Ada, of course");
}

TEST_CASE("a malformed row is refused with the line where it begins") {
  auto refusal = [](std::string_view rows) {
    return read_all("key,value,ttl_ms\n" + std::string{rows}).message;
  };
  CHECK(read_all("").message
        == "in.csv:1: the file is empty: expected a header row");
  CHECK(read_all("key,val\n").code == errc::config);
  CHECK(read_all("key,val\n")
          .message.starts_with("in.csv:1: the header has no column \"value\""));
  CHECK(read_all("key,value,key\n").message
        == "in.csv:1: the header names \"key\" twice");
  CHECK(refusal("a,b\n")
        == "in.csv:2: the record has 2 fields: expected 3 as in the header");
  CHECK(refusal("\n")
        == "in.csv:2: the record has 1 field: expected 3 as in the header");
  CHECK(refusal("a,\"x\ny\",\nb,\"z\n,")
        == "in.csv:4: the quoted field has no closing quote");
  CHECK(refusal("a,b\"c,\n")
          .starts_with("in.csv:2: a quote inside a field that is not quoted"));
  CHECK(refusal("a,\"b\"c,\n")
          .starts_with("in.csv:2: text after the closing quote"));
  CHECK(refusal("a,b\rc,\n")
        == "in.csv:2: expected a line feed after the carriage return");
  CHECK(refusal("a,b,\r")
        == "in.csv:2: expected a line feed after the carriage return");
  for (auto bad : {"0", "-1", "x", "1x", " 1", "9223372036854775808"})
    CHECK(refusal(std::string{"a,b,"} + bad)
            .starts_with("in.csv:2: \"ttl_ms\" must be a whole number"));
  CHECK(refusal(",b,").starts_with("in.csv:2: the key is empty"));
  CHECK(refusal(std::string(limits::max_key_bytes + 1, 'k') + ",b,")
          .starts_with("in.csv:2: the key has 65536 bytes"));
  CHECK(refusal(std::string(2'000, ','))
          .starts_with("in.csv:2: more than 1024 columns"));
}

TEST_CASE("rows before a refused one were handed out whole") {
  auto all = read_all("key,value\na,1\nb,2\nc\nd,4\n");
  CHECK(all.records.size() == 2);
  CHECK(all.message.starts_with("in.csv:4: "));
}

TEST_CASE("random fields come back byte for byte") {
  std::mt19937_64 random{1'180};
  constexpr std::string_view bytes = "ab,;\"\r\n \t\0\xff";
  for (int round = 0; round < 300; ++round) {
    std::vector<std::pair<std::string, std::string>> rows;
    std::string text = "value,key\n";
    for (auto count = random() % 20; count > 0; --count) {
      std::string key{'k'};
      std::string value;
      for (auto n = random() % 10; n > 0; --n)
        key += bytes[random() % bytes.size()];
      for (auto n = random() % 10; n > 0; --n)
        value += bytes[random() % bytes.size()];
      text += in_quotes(value) + ',' + in_quotes(key);
      text += random() % 2 == 0 ? "\n" : "\r\n";
      rows.emplace_back(std::move(key), std::move(value));
    }
    auto all = read_all(text, {}, 1 + random() % 64);
    REQUIRE(all.message.empty());
    REQUIRE(all.records.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      REQUIRE(all.records[i].key == rows[i].first);
      REQUIRE(all.records[i].value == rows[i].second);
    }
  }
}

TEST_CASE("mutated CSV is refused or read, never both or neither") {
  const std::string good = "key,value\n\"a,\"\"b\",c\r\nd,\"e\nf\"\ng,h\n";
  std::mt19937_64 random{4'180};
  std::uint64_t refused = 0;
  for (int round = 0; round < 30'000; ++round) {
    auto text = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      auto at = random() % text.size();
      auto byte = "\",\r\n\0ax"[random() % 7];
      if (random() % 2 == 0)
        text[at] = byte;
      else
        text.insert(at, 1, byte);
    }
    auto whole = read_all(text);
    auto pieces = read_all(text, {}, 3);
    REQUIRE(whole.message == pieces.message);
    REQUIRE(whole.records.size() == pieces.records.size());
    refused += whole.message.empty() ? 0 : 1;
    CHECK((whole.message.empty() || whole.message.starts_with("in.csv:")));
  }
  CHECK(refused > 1'000);
}
