#include "config/layers.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace neuroplex::config;
using namespace std::literals;

namespace {

std::string problem_of(const std::optional<diagnostic>& found) {
  return found ? found->to_string() : "none";
}

std::string read(std::string_view text) {
  layered_options options;
  return problem_of(options.read_text(text, "node.json"));
}

std::string resolve(std::string_view text) {
  layered_options options;
  if (auto found = options.read_text(text, "node.json"))
    return found->to_string();
  node_options merged;
  return problem_of(options.resolve(merged));
}

std::string flag(std::string_view name, std::string_view text) {
  layered_options options;
  auto* row = find_setting(name);
  return problem_of(options.set_flag(*row, row->flag, text));
}

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

} // namespace

TEST_CASE("a flag beats the environment, which beats the file, which beats the "
          "default",
          "[config]") {
  const char* environment[] = {"NEUROPLEX_PLACEMENT_SHARDS=32",
                               "NEUROPLEX_TIMEOUTS_REQUEST_MS=3s", "PATH=/bin",
                               nullptr};
  layered_options options;
  auto& shards = *find_setting("placement.shards");
  auto& request = *find_setting("timeouts.request_ms");
  auto& bytes = *find_setting("segment.bytes");
  auto& credit = *find_setting("limits.request_credit");
  CHECK_FALSE(options.set_flag(shards, "--shards", "16"));
  CHECK_FALSE(options.read_environment(environment));
  CHECK_FALSE(options.read_text(R"({
    "placement": {"shards": 8},
    "timeouts": {"request_ms": 5},
    "segment": {"bytes": "128MiB"}
  })",
                                "node.json"));
  node_options merged;
  REQUIRE_FALSE(options.resolve(merged));
  CHECK(merged.placement.shards == 16);
  CHECK(merged.timeouts.request_ms == 3'000);
  CHECK(merged.segment.segment_bytes == 128U << 20);
  CHECK(merged.limits.request_credit == node_options{}.limits.request_credit);
  CHECK(options.value_of(shards).from == layer::flag);
  CHECK(options.value_of(shards).place == "--shards");
  CHECK(options.value_of(request).from == layer::environment);
  CHECK(options.value_of(request).place == "NEUROPLEX_TIMEOUTS_REQUEST_MS");
  CHECK(options.value_of(bytes).from == layer::file);
  CHECK(options.value_of(bytes).place == "node.json:4:17");
  CHECK(options.value_of(credit).from == layer::defaults);
}

TEST_CASE("a syntax error names file, line and column", "[config]") {
  CHECK(read("{\n  \"node\": {\n    \"cluster\" \"x\"\n  }\n}")
        == "error[E-CONFIG]: node.json:3:15: syntax: text: expected a colon");
  CHECK(read("{\"node\": {}")
        == "error[E-CONFIG]: node.json:1:12: syntax: the end of the file: "
           "expected a comma or }");
  CHECK(read("").find("node.json:1:1: empty") != std::string::npos);
  CHECK_THAT(read("{} {}"), Contains("1:4: syntax"));
  CHECK_THAT(read("{\"node\": {\"cluster\": \"a"), Contains("closing quote"));
  CHECK_THAT(read("{\"node\": {\"cluster\": \"\xff\"}}"),
             Contains("not UTF-8"));
  CHECK_THAT(read("/* {"), Contains("comment without end"));
  CHECK_THAT(read("{'node': 1}"), Contains("1:2: syntax"));
  CHECK_THAT(read("{\"node\": {\"replica_id\": 01}}"), Contains("1:25"));
}

TEST_CASE("comments and a byte order mark are allowed in a file", "[config]") {
  CHECK(resolve("\xef\xbb\xbf{ // one\n /* two\n */ \"node\": "
                "{\"cluster\": \"a//b\"}}")
          .find("node.cluster: \"a//b\"")
        != std::string::npos);
  CHECK(resolve("{ // one\n \"node\": /* two */ {\"cluster\": \"ab\"} }")
        == "none");
}

TEST_CASE("an unknown section or key is refused and the nearest one named",
          "[config]") {
  CHECK(read(R"({"placment": {}})")
        == "error[E-CONFIG]: node.json:1:2: \"placment\": unknown section: "
           "did you mean \"placement\"?");
  CHECK(read(R"({"timeouts": {"requst_ms": 1}})")
        == "error[E-CONFIG]: node.json:1:15: \"timeouts.requst_ms\": unknown "
           "key: did you mean \"request_ms\"?");
  CHECK_THAT(read(R"({"zzzzzzz": {}})"), Contains("expected one of node, "));
  const char* environment[] = {"NEUROPLEX_RESP_PROT=1",
                               "NEUROPLEX_OTHER_TOOL=1", nullptr};
  layered_options options;
  CHECK(problem_of(options.read_environment(environment))
        == "error[E-CONFIG]: NEUROPLEX_RESP_PROT: unknown setting: did you "
           "mean NEUROPLEX_RESP_PORT?");
}

TEST_CASE(
  "a value of the wrong type or out of range is refused where it stands",
  "[config]") {
  CHECK(read(R"({"placement": {"shards": "yes"}})")
        == "error[E-CONFIG]: node.json:1:26: placement.shards: \"yes\": "
           "expected 1 to 65536");
  CHECK_THAT(read(R"({"placement": {"shards": "64"}})"),
             StartsWith("error[E-CONFIG]"));
  for (auto text :
       {R"({"placement": {"shards": 0}})",
        R"({"placement": {"shards": 65537}})",
        R"({"placement": {"shards": 1.5}})",
        R"({"placement": {"shards": -1}})",
        R"({"placement": {"shards": null}})",
        R"({"placement": {"shards": []}})",
        R"({"placement": {"shards": {}}})",
        R"({"placement": {"shards": 18446744073709551616}})",
        R"({"placement": 64})",
        R"({"placement": [64]})",
        R"([])",
        R"(7)",
        R"({"segment": {"huge_pages": 1}})",
        R"({"segment": {"huge_pages": "true"}})",
        R"({"segment": {"bytes": "1e9"}})",
        R"({"segment": {"bytes": "17E"}})",
        R"({"segment": {"bytes": "67108864"}})",
        R"({"segment": {"bytes": 18446744073709551615}})",
        R"({"basp": {"port": "off"}})",
        R"({"basp": {"port": 0}})",
        R"({"basp": {"host": "0.0.0.0"}})",
        R"({"node": {"cluster": "Ab"}})",
        R"({"node": {"cluster": ""}})",
        R"({"node": {"log": "loud"}})",
        R"({"node": {"data_dir": "a\u0000b"}})",
        R"({"timeouts": {"request_ms": "1h"}})",
        R"({"peers": {}})",
        R"({"peers": [1]})",
        R"({"peers": [{}]})",
        R"({"peers": [{"replica_id": 2, "host": "a b", "port": 1}]})",
        R"({"peers": [{"replica_id": 2, "host": "a", "port": 0}]})",
        R"({"peers": [{"replica_id": 2, "host": "a", "prot": 1}]})"}) {
    CAPTURE(text);
    CHECK_THAT(read(text), StartsWith("error[E-CONFIG]: node.json:1:"));
  }
}

TEST_CASE("a key that is given twice is refused", "[config]") {
  CHECK(read("{\"resp\": {\"port\": 1,\n\"port\": 2}}")
        == "error[E-CONFIG]: node.json:2:1: \"port\": given twice in resp: "
           "expected each name once");
  CHECK_THAT(read(R"({"resp": {}, "resp": {}})"), Contains("given twice"));
  CHECK_THAT(read(R"({"peers": [{"port": 1, "port": 1}]})"),
             Contains("given twice"));
}

TEST_CASE("deep nesting is refused at the limit, not followed", "[config]") {
  std::string deep(10'000, '[');
  CHECK_THAT(read(deep), Contains("nesting"));
  CHECK_THAT(read("{\"node\": {\"cluster\": " + deep), Contains("nesting"));
  std::string objects;
  for (auto i = 0; i < 10'000; ++i)
    objects += "{\"a\":";
  CHECK_THAT(read(objects), Contains("nesting"));
}

TEST_CASE("a secret itself is refused and never repeated", "[config]") {
  const std::string canary = "canary-7f3a";
  auto file = read(R"({"resp": {"password": "canary-7f3a"}})");
  CHECK_THAT(file, StartsWith("error[E-SECRETMODE]"));
  CHECK(file.find(canary) == std::string::npos);
  const char* environment[] = {"NEUROPLEX_RESP_PASSWORD=canary-7f3a", nullptr};
  layered_options options;
  auto variable = problem_of(options.read_environment(environment));
  CHECK_THAT(variable, StartsWith("error[E-SECRETMODE]"));
  CHECK(variable.find(canary) == std::string::npos);
  CHECK(read("{\"resp\": {\"password\": \"canary-7f3a").find(canary)
        == std::string::npos);
}

TEST_CASE("a flag out of range says what is accepted", "[config]") {
  for (auto text : {"70000", "-1", "80x", "", "0", " 80", "0x50", "off"}) {
    CAPTURE(text);
    CHECK(flag("basp.port", text)
          == "error[E-RANGE]: --port: " + quote(text)
               + ": expected 1 to 65535 or auto");
  }
  for (auto text :
       {"0x100000000", "4294967296", "-1", "18446744073709551616", "0", ""}) {
    CAPTURE(text);
    CHECK_THAT(flag("node.replica_id", text),
               StartsWith("error[E-RANGE]: --replica-id: "));
  }
  for (auto text : {"1", "1e3", "17E", "18446744073709551615", "65G", "",
                    "99999999999999T", "64 M", "-64M"}) {
    CAPTURE(text);
    CHECK_THAT(flag("segment.bytes", text),
               StartsWith("error[E-SIZE]: --segment-size: ")
                 && Contains("1 MiB to 64 GiB") && Contains("powers of two"));
  }
  CHECK(flag("segment.bytes", "64G") == "none");
  CHECK(flag("resp.port", "off") == "none");
  CHECK(flag("basp.port", "auto") == "none");
}

TEST_CASE("a flag may be repeated only with the same value", "[config]") {
  layered_options options;
  auto& port = *find_setting("basp.port");
  CHECK_FALSE(options.set_flag(port, "--port", "7000"));
  CHECK_FALSE(options.set_flag(port, "--port", "7000"));
  CHECK(problem_of(options.set_flag(port, "--basp-port", "7001"))
        == "error[E-DUPFLAG]: --basp-port: \"7000\" and \"7001\": expected one "
           "value");
}

TEST_CASE("the flag of a peer adds to a list", "[config]") {
  layered_options options;
  auto& peer = *find_setting("peers");
  CHECK_FALSE(options.read_text(
    R"({"peers": [{"replica_id": 9, "host": "::1", "port": 9}]})", "f"));
  CHECK_FALSE(options.set_flag(peer, "--peer", "2@127.0.0.1:7001"));
  CHECK_FALSE(options.set_flag(peer, "--peer", "3@[::1]:7002"));
  node_options merged;
  REQUIRE_FALSE(options.resolve(merged));
  REQUIRE(merged.peers.size() == 2);
  CHECK(merged.peers[0] == peer_options{2, "127.0.0.1", 7001});
  CHECK(merged.peers[1] == peer_options{3, "::1", 7002});
  for (auto text : {"2", "2@a", "@a:1", "2@:1", "2@a:0", "2@a:65536", "0@a:1",
                    "4294967296@a:1", "2@a:1,", "2@::1:7"}) {
    CAPTURE(text);
    CHECK(layered_options{}.set_flag(peer, "--peer", text));
  }
}

TEST_CASE("settings that contradict one another are refused", "[config]") {
  CHECK_THAT(resolve(R"({"timeouts": {"heartbeat_ms": 600}})"),
             StartsWith("error[E-TIMING]: timeouts.connection_timeout_ms"));
  CHECK_THAT(resolve(R"({"peers": [{"replica_id": 1, "host": "::1",
                         "port": 1}]})"),
             StartsWith("error[E-TOPOLOGY]"));
  CHECK_THAT(resolve(R"({"peers": [
                          {"replica_id": 2, "host": "::1", "port": 1},
                          {"replica_id": 3, "host": "::1", "port": 1}]})"),
             StartsWith("error[E-TOPOLOGY]"));
  CHECK_THAT(resolve(R"({"peers": [{"replica_id": 2, "host": "10.0.0.2",
                         "port": 1}]})"),
             Contains("tunnel.enabled true"));
  CHECK_THAT(resolve(R"({"tunnel": {"enabled": true}})"),
             StartsWith("error[E-CONFIG]: tunnel.ca_file: none"));
  CHECK_THAT(resolve(R"({"segment": {"bytes": "128M",
                         "reserved_bytes": "64M"}})"),
             StartsWith("error[E-CONFIG]: segment.reserved_bytes"));
  CHECK_THAT(resolve(R"({"basp": {"port": 7000}, "resp": {"port": 7000}})"),
             StartsWith("error[E-CONFIG]: resp.port"));
}

TEST_CASE("what a person wrote cannot break the line it is reported in",
          "[config]") {
  auto line = flag("node.cluster", "a\nb\x1b[31m\xff");
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK_THAT(line, Contains("a\\nb\\x1b[31m\\xff"));
}

TEST_CASE("a damaged file is refused in one line or read, whatever the damage",
          "[config]") {
  const auto sample = sample_file();
  std::mt19937 random{7}; // one seed, so that a failure repeats
  constexpr auto bytes = "{}[]:,\"\\/*-0e9.tn\n\x00\xff"sv;
  for (auto round = 0; round < 1'000; ++round) {
    auto text = sample;
    auto edits = 1 + random() % 4;
    for (auto edit = 0U; edit < edits; ++edit) {
      auto at = random() % text.size();
      auto length = random() % 40;
      switch (random() % 3) {
        case 0:
          text[at] = bytes[random() % bytes.size()];
          break;
        case 1:
          text.erase(at, length);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), length));
          break;
      }
      if (text.empty())
        text = "{";
    }
    auto line = read(text);
    CAPTURE(round);
    CHECK((line == "none" || line.starts_with("error[E-")));
    CHECK(line.find('\n') == std::string::npos);
  }
}

TEST_CASE("namespaces are read from files and flags alike", "[config]") {
  layered_options options;
  auto found = options.read_text(R"({"namespaces": [
    {"name": "cache", "policy": "lru", "quota_bytes": "64M"},
    {"name": "a:b,c", "priority": "critical", "default_ttl_ms": 5,
     "share_from": 4096}]})",
                                 "f");
  REQUIRE((found ? found->to_string() : "none") == "none");
  auto& row = *find_setting("namespaces");
  node_options merged;
  REQUIRE_FALSE(options.resolve(merged));
  REQUIRE(merged.namespaces.size() == 2);
  CHECK(merged.namespaces[0].name == "cache");
  CHECK(merged.namespaces[0].settings.policy
        == neuroplex::memory::policy_kind::lru);
  CHECK(merged.namespaces[0].settings.quota_bytes == 64U << 20);
  CHECK(merged.namespaces[1].settings.priority
        == neuroplex::memory::priority_class::critical);
  CHECK(merged.namespaces[1].settings.default_ttl_ms == 5);
  CHECK(merged.namespaces[1].settings.share_from == 4096);
  REQUIRE_FALSE(options.set_flag(row, "--space", "x:policy=lfu:ttl=2s"));
  REQUIRE_FALSE(options.set_flag(
    row, "--space", "y,z:quota=1M:compression=adaptive:share_from=1K"));
  REQUIRE_FALSE(options.resolve(merged));
  REQUIRE(merged.namespaces.size() == 3);
  CHECK(merged.namespaces[0].settings.default_ttl_ms == 2'000);
  CHECK(merged.namespaces[2].settings.quota_bytes == 1U << 20);
  CHECK(display_value(row, options.value_of(row).value)
        == "x:policy=lfu:priority=general:quota=0:ttl=2000:compression=off:"
           "share_from=0:consistency=single_copy,"
           "y:policy=noeviction:priority=general:quota=0:ttl=0:compression=off:"
           "share_from=0:consistency=single_copy,"
           "z:policy=noeviction:priority=general:quota=1048576:ttl=0:"
           "compression=adaptive:share_from=1024:consistency=single_copy");
  layered_options again;
  found = again.read_text(to_file(options), "g");
  CHECK((found ? found->to_string() : "none") == "none");
  CHECK(again.value_of(row).value == options.value_of(row).value);
}

TEST_CASE("namespaces that are none are refused with what was expected",
          "[config]") {
  auto read = [](const std::string& text) {
    layered_options options;
    auto found = options.read_text("{\"namespaces\": [" + text + "]}", "f");
    return found ? found->message() : std::string{"none"};
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(read(R"({"policy": "lru"})"), Contains("no name"));
  CHECK_THAT(read(R"({"name": "a", "policy": "lrru"})"),
             Contains("expected noeviction, clock, fifo, lru, lfu, s3fifo or "
                      "adaptive"));
  CHECK_THAT(read(R"({"name": "a", "priority": "urgent"})"),
             Contains("general, training, inference or critical"));
  CHECK_THAT(read(R"({"name": "a", "compression": "zip"})"),
             Contains("off or adaptive"));
  for (auto text : {"1", "127", "2147483648", "\"2G\"", "\"some\""})
    CHECK_THAT(
      read(std::string{R"({"name": "a", "share_from": )"} + text + "}"),
      Contains("0 (nothing is shared) or 128 to 1 GiB"));
  CHECK_THAT(read(R"({"name": "a", "polcy": "lru"})"),
             Contains("did you mean \"policy\"?"));
  CHECK_THAT(read(R"({"name": "a", "quota_bytes": "65G"})"),
             Contains("0 (no quota) to 64 GiB"));
  CHECK_THAT(read(R"({"name": "a"}, {"name": "a"})"),
             Contains("each name once"));
  CHECK_THAT(read(R"({"name": 7})"), Contains("a text in quotes"));
  auto& row = *find_setting("namespaces");
  for (auto text : {":policy=lru", "a:policy", "a:speed=3", "a,", "a,a"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_value(row, text));
  }
}
