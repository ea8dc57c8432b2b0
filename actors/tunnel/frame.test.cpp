#include "actors/tunnel/frame.hpp"

#include <algorithm>
#include <random>
#include <string>

#include <catch2/catch.hpp>

using namespace neuroplex::tunnel;

namespace {

struct seen {
  reason why = reason::none;
  std::vector<frame_type> controls;
  frame_bytes control_payload;
  frame_bytes data;
};

seen decode(std::span<const std::byte> input, std::size_t piece = SIZE_MAX) {
  frame_decoder decoder;
  seen result;
  while (!input.empty() && result.why == reason::none) {
    auto part = input.first(std::min(piece, input.size()));
    input = input.subspan(part.size());
    for (bool more = true; more;) {
      auto event = decoder.next(part);
      switch (event.kind) {
        case frame_decoder::step::need_more:
          more = false;
          break;
        case frame_decoder::step::error:
          result.why = event.why;
          more = false;
          break;
        case frame_decoder::step::control:
          result.controls.push_back(event.type);
          result.control_payload.assign(event.payload.begin(),
                                        event.payload.end());
          break;
        case frame_decoder::step::data:
          result.data.insert(result.data.end(), event.payload.begin(),
                             event.payload.end());
          break;
      }
    }
  }
  return result;
}

hello_frame sample() {
  hello_frame hello;
  hello.id = 7;
  hello.incarnation = 0x1122334455667788;
  hello.cluster = "cells";
  return hello;
}

frame_bytes raw_header(std::uint32_t payload_bytes, std::uint8_t type) {
  frame_bytes out;
  for (int i = 0; i < 4; ++i)
    out.push_back(static_cast<std::byte>(payload_bytes >> (8 * i)));
  out.push_back(static_cast<std::byte>(type));
  out.insert(out.end(), 3, std::byte{0});
  return out;
}

} // namespace

TEST_CASE("frames are read as they were written, however they are cut",
          "[tunnel][frame]") {
  frame_bytes wire;
  append_hello(wire, frame_type::hello, sample());
  const frame_bytes content(100'000, std::byte{5});
  const std::span<const std::byte> all{content};
  append_frame(wire, frame_type::data, all.first(65'536));
  append_frame(wire, frame_type::ping, frame_bytes(8));
  append_frame(wire, frame_type::data, all.subspan(65'536));
  append_frame(wire, frame_type::close, {});
  for (std::size_t piece : {1, 3, 8, 9, 4'096, 200'000}) {
    auto result = decode(wire, piece);
    CHECK(result.why == reason::none);
    CHECK(
      result.controls
      == std::vector{frame_type::hello, frame_type::ping, frame_type::close});
    CHECK(result.data == content);
  }
}

TEST_CASE("a hello is read as it was written", "[tunnel][frame]") {
  frame_bytes wire;
  append_hello(wire, frame_type::hello, sample());
  hello_frame out;
  REQUIRE(read_hello(decode(wire).control_payload, out) == reason::none);
  CHECK(out.id == 7);
  CHECK(out.incarnation == 0x1122334455667788);
  CHECK(out.cluster == "cells");
}

TEST_CASE("a hello of another version is refused with both versions named",
          "[tunnel][frame]") {
  for (auto [newest, oldest, why] :
       {std::tuple{9, 2, reason::wire_version},
        std::tuple{0, 0, reason::wire_version}, std::tuple{9, 1, reason::none},
        std::tuple{1, 9, reason::hello_malformed}}) {
    auto hello = sample();
    hello.version = static_cast<std::uint16_t>(newest);
    hello.oldest_version = static_cast<std::uint16_t>(oldest);
    frame_bytes wire;
    append_hello(wire, frame_type::hello, hello);
    hello_frame out;
    CHECK(read_hello(decode(wire).control_payload, out) == why);
  }
  CHECK(version_text(9, 2)
        == "this node speaks version 1, the peer speaks 2..9");
}

TEST_CASE("a hello that is cut, longer or of another magic is malformed",
          "[tunnel][frame]") {
  frame_bytes wire;
  append_hello(wire, frame_type::hello, sample());
  const auto good = decode(wire).control_payload;
  hello_frame out;
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(read_hello(std::span{good}.first(size), out)
          == reason::hello_malformed);
  auto longer = good;
  longer.push_back(std::byte{0});
  CHECK(read_hello(longer, out) == reason::hello_malformed);
  auto other = good;
  other[0] = std::byte{'X'};
  CHECK(read_hello(other, out) == reason::hello_malformed);
}

TEST_CASE("a frame above its limit is refused at its header",
          "[tunnel][frame]") {
  CHECK(decode(raw_header(65'536, 4)).why == reason::none);
  CHECK(decode(raw_header(65'537, 4)).why == reason::frame_oversize);
  CHECK(decode(raw_header(UINT32_MAX, 4)).why == reason::frame_oversize);
  CHECK(decode(raw_header(513, 1)).why == reason::frame_oversize);
  CHECK(decode(raw_header(0, 4)).why == reason::frame_malformed);
  CHECK(decode(raw_header(0, 0)).why == reason::frame_malformed);
  CHECK(decode(raw_header(0, 9)).why == reason::frame_malformed);
  auto padded = raw_header(0, 7);
  padded[5] = std::byte{1};
  CHECK(decode(padded).why == reason::frame_malformed);
}

TEST_CASE("a refusal's text is cut to its limit and to printable characters",
          "[tunnel][frame]") {
  frame_bytes wire;
  append_refuse(wire, {1, 1, "a\x1b[2Jb\n" + std::string(500, 'c')});
  refuse_frame out;
  REQUIRE(read_refuse(decode(wire).control_payload, out) == reason::none);
  CHECK(out.text.substr(0, 6) == "a[2Jbc");
  CHECK(out.text.size() < 200);
}

TEST_CASE("mutated frames decode alike however they are cut",
          "[tunnel][frame][fuzz]") {
  std::mt19937_64 random{7};
  frame_bytes original;
  append_hello(original, frame_type::hello, sample());
  append_frame(original, frame_type::data, frame_bytes(50, std::byte{1}));
  append_refuse(original, {1, 1, "no"});
  append_frame(original, frame_type::data, frame_bytes(5, std::byte{2}));
  for (int round = 0; round < 20'000; ++round) {
    auto input = original;
    for (auto count = random() % 4 + 1; count > 0; --count)
      input[random() % input.size()] = static_cast<std::byte>(random());
    const auto whole = decode(input);
    const auto cut = decode(input, random() % 20 + 1);
    REQUIRE(whole.why == cut.why);
    REQUIRE(whole.controls == cut.controls);
    REQUIRE(whole.data == cut.data);
  }
}
