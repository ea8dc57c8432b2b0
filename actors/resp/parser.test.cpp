#include "actors/resp/parser.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <vector>

using namespace neuroplex::resp;
using outcome = parser::outcome;

namespace {

// What a parser makes of a stream that arrives in pieces: the commands, then
// the problem if there is one.
std::vector<std::string> parse_all(std::string_view stream,
                                   const std::vector<std::size_t>& pieces) {
  parser under_test;
  std::vector<std::string> result;
  std::string buffer;
  std::size_t at = 0;
  std::size_t piece = 0;
  for (;;) {
    auto what = under_test.next(buffer, {});
    if (what == outcome::need_more) {
      if (at == stream.size())
        return result;
      auto bytes = piece < pieces.size() ? pieces[piece++] : stream.size();
      bytes = std::min(bytes, stream.size() - at);
      // A new buffer: views into the old one must not survive.
      buffer = std::string{buffer} + std::string{stream.substr(at, bytes)};
      at += bytes;
      continue;
    }
    if (what == outcome::failed) {
      result.push_back(under_test.problem());
      return result;
    }
    if (what == outcome::command) {
      std::string command;
      for (auto argument : under_test.arguments())
        command += "<" + std::string{argument} + ">";
      result.push_back(command);
    }
    buffer.erase(0, under_test.used_bytes());
  }
}

std::vector<std::string> parse_whole(std::string_view stream) {
  return parse_all(stream, {});
}

std::string problem_of(std::string_view stream) {
  auto result = parse_whole(stream);
  return result.empty() ? "" : result.back();
}

std::string random_stream(std::mt19937& random) {
  auto below = [&random](unsigned limit) { return random() % limit; };
  std::string stream;
  for (auto left = 1 + below(6); left > 0; --left) {
    switch (below(5)) {
      case 0:
        stream += "\r\n";
        break;
      case 1:
        stream += "SET \"a\\x41\\n\" 'b c'\r\n";
        break;
      case 2:
        stream += "get k\n";
        break;
      default: {
        auto count = below(5);
        stream += "*" + std::to_string(count) + "\r\n";
        for (unsigned i = 0; i < count; ++i) {
          std::string bytes(below(40), '\0');
          for (auto& c : bytes)
            c = "\r\n$*ab\0"[below(7)];
          stream +=
            "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
        }
      }
    }
  }
  return stream;
}

} // namespace

TEST_CASE("Arrays of bulk strings become argument lists") {
  CHECK(parse_whole("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n")
        == std::vector<std::string>{"<GET><k>", "<PING>"});
}

TEST_CASE("Arguments hold any bytes") {
  CHECK(parse_whole("*2\r\n$3\r\nGET\r\n$6\r\n\r\n*$\x01 \r\n")
        == std::vector<std::string>{"<GET><\r\n*$\x01 >"});
}

TEST_CASE("Inline commands are words, quoted or not") {
  CHECK(parse_whole("SET k 'a \\'b' \"\\x41\\t\\\"\"\r\nPING\n  \r\n")
        == std::vector<std::string>{"<SET><k><a 'b><A\t\">", "<PING>"});
  CHECK(problem_of("SET k \"open\r\n")
        == "ERR Protocol error: unbalanced quotes in request");
  CHECK(problem_of("SET k 'a'b\r\n")
        == "ERR Protocol error: unbalanced quotes in request");
}

TEST_CASE("Empty and null arrays ask for nothing") {
  CHECK(parse_whole("*0\r\n*-1\r\nPING\r\n")
        == std::vector<std::string>{"<PING>"});
}

TEST_CASE("Lengths that cannot be are refused") {
  for (auto stream : {"*-2\r\n", "*2147483648\r\n", "*1048577\r\n", "*x\r\n",
                      "*\r\n", "*99999999999999999999\r\n", "*1\rx"})
    CHECK(problem_of(stream) == "ERR Protocol error: invalid multibulk length");
  for (auto stream : {"*1\r\n$-5\r\n", "*1\r\n$-1\r\n", "*1\r\n$536870913\r\n",
                      "*1\r\n$x\r\n", "*1\r\n$1\rx"})
    CHECK(problem_of(stream) == "ERR Protocol error: invalid bulk length");
  CHECK(problem_of("*1\r\n+OK\r\n")
        == "ERR Protocol error: expected '$', got '+'");
  CHECK(problem_of("*1\r\n$1\r\nabc")
        == "ERR Protocol error: expected CRLF after bulk string");
}

TEST_CASE("Lines above 64 KiB are refused however they arrive") {
  auto line = std::string(bounds::max_line_bytes + 1, 'a');
  CHECK(problem_of(line) == "ERR Protocol error: too big inline request");
  CHECK(problem_of(line + "\r\n")
        == "ERR Protocol error: too big inline request");
  CHECK(problem_of("*" + line)
        == "ERR Protocol error: too big mbulk count string");
  CHECK(problem_of("*1\r\n$" + line)
        == "ERR Protocol error: too big bulk count string");
}

TEST_CASE("A lone CR does not end an inline command") {
  CHECK(parse_whole("PING\r").empty());
  CHECK(parse_whole("PING\rPONG\r\n")
        == std::vector<std::string>{"<PING><PONG>"});
}

TEST_CASE("Before AUTH the limits are small and the words say so") {
  parser under_test;
  parser::options allowed{bounds::max_arguments_before_auth,
                          bounds::max_bulk_bytes_before_auth, false};
  CHECK(under_test.next("*11\r\n", allowed) == outcome::failed);
  CHECK(under_test.problem()
        == "ERR Protocol error: unauthenticated multibulk length");
  CHECK(under_test.next("*1\r\n$16385\r\n", allowed) == outcome::failed);
  CHECK(under_test.problem()
        == "ERR Protocol error: unauthenticated bulk length");
}

TEST_CASE("A bulk string that has begun tells how much is missing") {
  parser under_test;
  CHECK(under_test.next("*1\r\n$100\r\nabc", {}) == outcome::need_more);
  CHECK(under_test.missing_bytes() == 99);
}

TEST_CASE("How a stream is cut into pieces changes nothing") {
  std::mt19937 random{20231121};
  for (int round = 0; round < 3'000; ++round) {
    auto stream = random_stream(random);
    if (random() % 4 == 0)
      stream[random() % stream.size()] = static_cast<char>(random());
    std::vector<std::size_t> pieces;
    for (std::size_t cut = 0; cut < stream.size();) {
      pieces.push_back(1 + random() % 7);
      cut += pieces.back();
    }
    INFO("round " << round << ": " << stream);
    REQUIRE(parse_all(stream, pieces) == parse_whole(stream));
    REQUIRE(parse_all(stream, std::vector<std::size_t>(stream.size(), 1))
            == parse_whole(stream));
  }
}
