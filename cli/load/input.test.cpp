#include "cli/load/input.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace neuroplex;
using namespace neuroplex::cli;

namespace {

std::vector<std::string> lines_of(std::string bytes, std::size_t block_bytes) {
  line_reader reader{string_source("in", std::move(bytes), block_bytes)};
  std::vector<std::string> result;
  std::string_view line;
  for (;;) {
    auto more = reader.next(line);
    REQUIRE(more);
    if (!*more)
      return result;
    result.emplace_back(line);
    CHECK(reader.line_number() == result.size());
  }
}

} // namespace

TEST_CASE("lines come out whole whatever the block size") {
  using lines = std::vector<std::string>;
  for (std::size_t block : {1U, 2U, 3U, 100U}) {
    CHECK(lines_of("", block).empty());
    CHECK(lines_of("\n", block) == lines{""});
    CHECK(lines_of("a\n\nbc", block) == lines{"a", "", "bc"});
    CHECK(lines_of("a\r\nb\n", block) == lines{"a\r", "b"});
  }
}

TEST_CASE("line offsets add up over random text") {
  std::mt19937_64 random{4180};
  std::string text;
  for (int i = 0; i < 200'000; ++i)
    text += random() % 40 == 0 ? '\n' : static_cast<char>('a' + random() % 26);
  line_reader reader{string_source("in", text, 4'097)};
  std::string_view line;
  std::string again;
  for (;;) {
    auto more = reader.next(line);
    REQUIRE(more);
    if (!*more)
      break;
    REQUIRE(reader.line_offset() == again.size());
    again += line;
    again += '\n';
  }
  again.pop_back();
  CHECK((again == text || again + '\n' == text));
  CHECK(reader.bytes_read() == text.size());
}

TEST_CASE("a line beyond the limit is refused before it is held") {
  line_reader reader{
    string_source("in", "short\n" + std::string(5'000'000, 'x')), 1'000};
  std::string_view line;
  REQUIRE(reader.next(line));
  auto more = reader.next(line);
  REQUIRE(!more);
  CHECK(more.code() == errc::value_size);
  CHECK(more.error().message()
        == "in:2: the line is longer than 1000 bytes: split it");
}

TEST_CASE("what cannot be opened is told with its reason") {
  auto absent = open_source("/nonexistent/file");
  REQUIRE(!absent);
  CHECK(absent.code() == errc::bad_path);
  CHECK(absent.error().message()
        == "/nonexistent/file: cannot be opened: No such file or directory");
  auto directory = open_source("/");
  REQUIRE(!directory);
  CHECK(directory.error().message()
        == "/: is a directory: name a file, or - for stdin");
}
