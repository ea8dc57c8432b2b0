#include "actors/tunnel/basp_guard.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace neuroplex::tunnel;

namespace {

using bytes = std::vector<std::byte>;

template <class Integer>
void put(bytes& out, Integer value) {
  for (std::size_t i = sizeof(Integer); i-- > 0;)
    out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

struct fields {
  std::uint8_t operation = 0;
  std::uint8_t flags = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t operation_data = 0;
  std::uint64_t source = 0;
  std::uint64_t destination = 0;
};

bytes header(const fields& f) {
  bytes out;
  put(out, f.operation);
  put(out, std::uint16_t{0});
  put(out, f.flags);
  put(out, f.payload_bytes);
  put(out, f.operation_data);
  put(out, f.source);
  put(out, f.destination);
  return out;
}

bytes frame(fields f, const bytes& payload) {
  f.payload_bytes = static_cast<std::uint32_t>(payload.size());
  auto out = header(f);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

bytes node(std::uint8_t host = 7, std::uint32_t pid = 42) {
  bytes out;
  put(out, std::uint64_t{0x3e9aab9bac79}); // The atom "default".
  put(out, pid);
  out.insert(out.end(), 20, std::byte{host});
  return out;
}

void put_text(bytes& out, std::string_view text) {
  out.push_back(static_cast<std::byte>(text.size()));
  for (char c : text)
    out.push_back(static_cast<std::byte>(c));
}

bytes client_handshake(std::uint8_t host = 7) {
  return frame({1}, node(host));
}

bytes server_handshake(std::string_view application = "neuroplex",
                       std::uint64_t version = 3) {
  auto payload = node();
  payload.push_back(std::byte{1});
  put_text(payload, application);
  put(payload, std::uint64_t{9}); // The published actor.
  payload.push_back(std::byte{2});
  put_text(payload, "a");
  put_text(payload, "b");
  return frame({0, 0, 0, version}, payload);
}

bytes message(std::size_t payload_bytes = 100) {
  return frame({2, 0, 0, 5, 6, 7}, bytes(payload_bytes, std::byte{1}));
}

bytes operator+(bytes left, const bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

struct outcome {
  reason why;
  bytes passed;
};

outcome run(basp_sender sender, const bytes& input,
            std::size_t piece = SIZE_MAX) {
  basp_guard_options options;
  options.sender = sender;
  options.app_identifiers = {"neuroplex"};
  basp_guard guard{options};
  byte_queue out;
  reason why = reason::none;
  std::span<const std::byte> rest{input};
  while (!rest.empty()) {
    auto part = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(part.size());
    why = guard.feed(part, out);
  }
  return {why, {out.front().begin(), out.front().end()}};
}

reason from_client(const bytes& input) {
  return run(basp_sender::client, input).why;
}

reason from_server(const bytes& input) {
  return run(basp_sender::server, input).why;
}

} // namespace

TEST_CASE("well-formed BASP passes unchanged, however it is cut",
          "[tunnel][basp]") {
  const auto from_a_client =
    client_handshake() + frame({1, 2}, node())
    + frame({2, 1, 0, 5, 6, 0x3ddd66f3376adfb}, bytes(9, std::byte{1}))
    + message() + frame({3, 0, 0, 1, 2, 3}, bytes(80, std::byte{2}))
    + frame({4, 0, 0, 0, 0, 3}, bytes(64, std::byte{2}))
    + frame({5, 0, 0, 0, 3, 0}, bytes(70, std::byte{2})) + header({6});
  const auto from_a_server = server_handshake() + message() + header({6});
  for (std::size_t piece : {1, 2, 7, 31, 32, 33, 64, 1000}) {
    CAPTURE(piece);
    auto client = run(basp_sender::client, from_a_client, piece);
    CHECK(client.why == reason::none);
    CHECK(client.passed == from_a_client);
    auto server = run(basp_sender::server, from_a_server, piece);
    CHECK(server.why == reason::none);
    CHECK(server.passed == from_a_server);
  }
}

TEST_CASE("a handshake without payload never passes", "[tunnel][basp]") {
  auto client = run(basp_sender::client, header({1}));
  CHECK(client.why == reason::basp_empty_handshake);
  CHECK(client.passed.empty());
  auto server = run(basp_sender::server, header({0, 0, 0, 3}));
  CHECK(server.why == reason::basp_empty_handshake);
  CHECK(server.passed.empty());
  auto repeated = run(basp_sender::client, client_handshake() + header({1, 2}));
  CHECK(repeated.why == reason::basp_empty_handshake);
  CHECK(repeated.passed == client_handshake());
}

TEST_CASE("a handshake comes first, and from its own side only",
          "[tunnel][basp]") {
  CHECK(from_client(message()) == reason::basp_order);
  CHECK(from_client(header({6})) == reason::basp_order);
  CHECK(from_client(server_handshake()) == reason::basp_order);
  CHECK(from_client(header({0, 0, 0, 3})) == reason::basp_order);
  CHECK(from_server(client_handshake()) == reason::basp_order);
  CHECK(from_server(message()) == reason::basp_order);
  CHECK(from_server(server_handshake() + server_handshake())
        == reason::basp_order);
}

TEST_CASE("a payload above the limit is refused at its header",
          "[tunnel][basp]") {
  auto at = [](std::uint32_t payload_bytes) {
    return client_handshake() + header({2, 0, payload_bytes, 1, 2, 3});
  };
  CHECK(from_client(at(16U << 20)) == reason::none);
  CHECK(from_client(at((16U << 20) + 1)) == reason::basp_payload_limit);
  CHECK(from_client(at(UINT32_MAX)) == reason::basp_payload_limit);
  CHECK(run(basp_sender::client, at(UINT32_MAX)).passed == client_handshake());
  CHECK(from_client(header({1, 0, 65'537})) == reason::basp_payload_limit);
  CHECK(from_client(header({1, 0, UINT32_MAX})) == reason::basp_payload_limit);
}

TEST_CASE("unknown operations and other versions are refused",
          "[tunnel][basp]") {
  for (unsigned operation = 7; operation <= 255; ++operation) {
    const auto raw = static_cast<std::uint8_t>(operation);
    CHECK(from_client(header({raw})) == reason::basp_operation);
    CHECK(from_client(client_handshake() + header({raw}))
          == reason::basp_operation);
  }
  CHECK(from_server(server_handshake("neuroplex", 2)) == reason::basp_version);
  CHECK(from_server(server_handshake("neuroplex", 4)) == reason::basp_version);
  CHECK(from_server(server_handshake("other")) == reason::basp_app_identifier);
}

TEST_CASE("fields that an operation does not have must be zero",
          "[tunnel][basp]") {
  const auto start = client_handshake();
  CHECK(from_client(start + header({6, 0, 0, 1})) == reason::basp_header);
  CHECK(from_client(start + header({6, 0, 0, 0, 1})) == reason::basp_header);
  CHECK(from_client(start + header({6, 1})) == reason::basp_header);
  CHECK(from_client(start + header({6, 0, 5})) == reason::basp_header);
  CHECK(from_client(start + header({2, 0, 0, 1, 2, 3})) == reason::basp_header);
  CHECK(from_client(start + header({2, 0, 9, 1, 2, 0})) == reason::basp_header);
  CHECK(from_client(start + header({2, 4, 9, 1, 2, 3})) == reason::basp_header);
  CHECK(from_client(start + header({5, 0, 9, 0, 0, 0})) == reason::basp_header);
  CHECK(from_client(header({1, 0, 32, 3})) == reason::basp_header);
  auto padded = start + message();
  padded[start.size() + 1] = std::byte{1};
  CHECK(from_client(padded) == reason::basp_header);
}

TEST_CASE("only the spawn server may be addressed by name", "[tunnel][basp]") {
  const auto config_server =
    frame({2, 1, 0, 0, 1, 0xf374cebbac76adfb}, bytes(4, std::byte{0}));
  CHECK(from_client(client_handshake() + config_server)
        == reason::basp_named_receiver);
}

TEST_CASE("a handshake whose payload does not parse is refused whole",
          "[tunnel][basp]") {
  auto short_node = node();
  short_node.pop_back();
  auto long_node = node();
  long_node.push_back(std::byte{0});
  auto foreign_tag = node();
  foreign_tag[7] = std::byte{0};
  CHECK(from_client(frame({1}, short_node)) == reason::basp_handshake_payload);
  CHECK(from_client(frame({1}, long_node)) == reason::basp_handshake_payload);
  CHECK(from_client(frame({1}, foreign_tag)) == reason::basp_handshake_payload);
  CHECK(from_client(frame({1}, node(7, 0))) == reason::basp_handshake_payload);
  CHECK(from_client(frame({1}, node(0, 9))) == reason::basp_handshake_payload);
  // A sequence that claims 2^32 - 1 entries, and one whose length never ends.
  for (const auto& tail :
       {bytes{std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF},
              std::byte{0xFF}, std::byte{0x0F}},
        bytes(40, std::byte{0xFF})})
    CHECK(from_server(frame({0, 0, 0, 3}, node() + tail))
          == reason::basp_handshake_payload);
}

TEST_CASE("a client keeps the node id of its first handshake",
          "[tunnel][basp]") {
  CHECK(from_client(client_handshake(7) + client_handshake(7)) == reason::none);
  CHECK(from_client(client_handshake(7) + client_handshake(8))
        == reason::basp_node_claimed);
}

TEST_CASE("half a header is held back and known as half", "[tunnel][basp]") {
  basp_guard guard{{}};
  byte_queue out;
  const auto start = client_handshake();
  CHECK(guard.mid_frame());
  CHECK(guard.feed(std::span{start}.first(16), out) == reason::none);
  CHECK(guard.mid_header());
  CHECK(guard.feed(std::span{start}.subspan(16), out) == reason::none);
  CHECK_FALSE(guard.mid_frame());
  CHECK(guard.greeted());
  CHECK(guard.frame_count() == 1);
  const auto half = message();
  CHECK(guard.feed(std::span{half}.first(31), out) == reason::none);
  CHECK(out.size() == start.size());
  CHECK(guard.feed(std::span{half}.subspan(31, 2), out) == reason::none);
  CHECK(out.size() == start.size() + 33);
  CHECK(guard.mid_frame());
  CHECK_FALSE(guard.mid_header());
}

TEST_CASE("mutated BASP passes only what a second guard agrees with",
          "[tunnel][basp][fuzz]") {
  std::mt19937_64 random{20'261'121};
  const auto original = client_handshake() + message(40)
                        + frame({3, 0, 0, 1, 2, 3}, bytes(70, std::byte{2}))
                        + header({6}) + message(3);
  for (int round = 0; round < 20'000; ++round) {
    auto input = original;
    for (auto count = random() % 4 + 1; count > 0; --count)
      input[random() % input.size()] = static_cast<std::byte>(random());
    if (random() % 4 == 0)
      input.resize(random() % input.size());
    const auto whole = run(basp_sender::client, input);
    const auto pieces = run(basp_sender::client, input, random() % 40 + 1);
    REQUIRE(whole.why == pieces.why);
    REQUIRE(whole.passed == pieces.passed);
    REQUIRE(whole.passed.size() <= input.size());
    REQUIRE(
      std::equal(whole.passed.begin(), whole.passed.end(), input.begin()));
    REQUIRE(run(basp_sender::client, whole.passed).why == reason::none);
  }
}
