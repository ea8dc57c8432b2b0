#include "config/settings.hpp"

#include "config/check.hpp"
#include "config/diagnostic.hpp"
#include "config/file.hpp"
#include "config/layers.hpp"
#include "config/namespace_values.hpp"
#include "config/nearest.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::config;

namespace {

using memory::testing::temporary_directory;

std::string write_file(const temporary_directory& place, const char* name,
                       const std::string& text, mode_t mode) {
  auto path = (place.path() / name).string();
  std::ofstream{path} << text;
  ::chmod(path.c_str(), mode);
  return path;
}

std::string make_fifo(const temporary_directory& place) {
  auto path = (place.path() / "fifo").string();
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  return path;
}

// Path of a file that lies beside this source.
std::string beside(const std::string& name) {
  std::string here = __FILE__;
  return here.substr(0, here.rfind('/') + 1) + name;
}

} // namespace

TEST_CASE("the defaults of a node are valid", "[config]") {
  CHECK(node_options{}.validate());
  CHECK_FALSE(check(node_options{}));
  CHECK(node_options::of_server().validate());
}

TEST_CASE("a server's ports are known, a node inside a program takes none of "
          "them",
          "[config]") {
  node_options served;
  REQUIRE_FALSE(layered_options{}.resolve(served));
  CHECK(served.basp.port == listen_port::at(7400));
  CHECK(served.resp.port == listen_port::at(6380));
  CHECK(node_options{}.basp.port == listen_port::any());
  CHECK(node_options{}.resp.port == listen_port::none());
}

TEST_CASE("a message must fit into a frame of the tunnel", "[config]") {
  node_options options;
  options.limits.message_bytes = 16U << 20;
  CHECK_FALSE(check(options));
  options.tunnel.enabled = true;
  options.tunnel.ca_file = "ca.pem";
  options.tunnel.certificate_file = "node.pem";
  options.tunnel.key_file = "node.key";
  auto found = check(options);
  REQUIRE(found);
  CHECK(found->field == "limits.message_bytes");
  CHECK(found->expected
        == "at most 12 MiB, three quarters of tunnel.max_frame_bytes");
  options.limits.message_bytes = 12U << 20;
  CHECK_FALSE(check(options));
}

TEST_CASE("names, flags and variables of settings are unique and well formed",
          "[config]") {
  std::set<std::string> seen;
  for (auto& row : settings()) {
    CAPTURE(row.name);
    CHECK(seen.insert(std::string{row.name}).second);
    CHECK(seen.insert(std::string{row.flag}).second);
    CHECK(seen.insert(environment_name(row)).second);
    CHECK(row.flag.substr(0, 2) == "--");
    CHECK_FALSE(row.doc.empty());
    CHECK(row.doc.back() != '.');
    CHECK(find_setting(row.name) == &row);
  }
}

TEST_CASE("every setting takes what it shows and keeps it", "[config]") {
  node_options defaults;
  for (auto& row : settings()) {
    CAPTURE(row.name);
    auto value = row.get(defaults);
    CHECK(check_value(row, value));
    auto copy = defaults;
    row.set(copy, value);
    CHECK(row.get(copy) == value);
  }
}

TEST_CASE("every number is accepted at its bounds and refused beyond",
          "[config]") {
  for (auto& row : settings()) {
    if (row.kind != setting_kind::number && row.kind != setting_kind::bytes
        && row.kind != setting_kind::milliseconds)
      continue;
    CAPTURE(row.name);
    CHECK(parse_value(row, std::to_string(row.least)));
    CHECK(parse_value(row, std::to_string(row.most)));
    CHECK_FALSE(parse_value(row, std::to_string(row.most + 1)));
    if (row.least > 0)
      CHECK_FALSE(parse_value(row, std::to_string(row.least - 1)));
  }
}

TEST_CASE("the sample file is what the table of settings says", "[config]") {
  auto sample = read_file(beside("neuroplex.sample.json"),
                          {.max_bytes = max_config_file_bytes});
  REQUIRE(sample);
  INFO("write it anew with: neuroplex config sample");
  CHECK(*sample == sample_file());
}

TEST_CASE("the sample files are valid configurations", "[config]") {
  for (auto name : {"neuroplex.sample.json", "three-hosts.sample.json"}) {
    CAPTURE(name);
    layered_options options;
    auto found = options.read_file(beside(name));
    CHECK((found ? found->to_string() : "none") == "none");
    node_options merged;
    found = options.resolve(merged);
    CHECK((found ? found->to_string() : "none") == "none");
  }
}

TEST_CASE("a written configuration reads back the same", "[config]") {
  layered_options first;
  REQUIRE_FALSE(first.read_text(R"({
    "node": {"data_dir": "/a \"b\" \\ \u00e9"},
    "resp": {"port": "off"}, "basp": {"port": "auto"},
    "peers": [{"replica_id": 7, "host": "::1", "port": 9}]
  })",
                                "f"));
  layered_options second;
  auto found = second.read_text(to_file(first), "g");
  CHECK((found ? found->to_string() : "none") == "none");
  for (auto& row : settings()) {
    CAPTURE(row.name);
    CHECK(first.value_of(row).value == second.value_of(row).value);
  }
}

TEST_CASE("sizes are read with binary units and shown in the largest that fits",
          "[config]") {
  CHECK(*parse_bytes("64M") == 64U << 20);
  CHECK(*parse_bytes("64MiB") == 64U << 20);
  CHECK(*parse_bytes("3K") == 3072);
  CHECK(*parse_bytes("1T") == 1ULL << 40);
  for (auto text : {"", "M", "1e3", "17E", "64MB", "64m", "-1", "+1", "1.5M",
                    "16777216T", "1 M"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_bytes(text));
  }
  CHECK(display_bytes(64U << 20) == "64 MiB");
  CHECK(display_bytes(1536) == "1536 B");
  CHECK(display_bytes(1536, true) == "1.5 KiB");
  CHECK(display_bytes(0) == "0 B");
}

TEST_CASE("loopback is told from other addresses", "[config]") {
  for (auto host : {"localhost", "::1", "127.0.0.1", "127.255.0.9"})
    CHECK(is_loopback(host));
  for (auto host : {"", "0.0.0.0", "128.0.0.1", "127.0.0", "127.0.0.1.example",
                    "127.0.0.256", "127.0.0.1 ", "127.0.0.0001", "::"})
    CHECK_FALSE(is_loopback(host));
}

TEST_CASE("the nearest word is named only when it is near", "[config]") {
  const std::string_view words[] = {"serve", "stats", "scan", "get", "set"};
  CHECK(nearest("srve", words) == "serve");
  CHECK(nearest("sevre", words) == "serve");
  CHECK(nearest("ste", words) == "set");
  CHECK(nearest("gett", words) == "get");
  CHECK(nearest("launch", words).empty());
  CHECK(nearest("", words).empty());
  CHECK(nearest(std::string(1'000'000, 's'), words).empty());
}

TEST_CASE("a secret is read only from a private file", "[config]") {
  temporary_directory place;
  auto good = read_secret(write_file(place, "good", "canary-7f3a\n", 0600));
  REQUIRE(good);
  CHECK(*good == "canary-7f3a");
  auto open_file =
    read_secret(write_file(place, "open", "canary-7f3a\n", 0644));
  REQUIRE_FALSE(open_file);
  CHECK(open_file.code() == errc::denied);
  CHECK(open_file.error().message().find("canary") == std::string::npos);
  CHECK(read_secret(write_file(place, "empty", "\n", 0600)).code()
        == errc::config);
  CHECK(
    read_secret(write_file(place, "long", std::string(4'097, 'x'), 0600)).code()
    == errc::config);
  CHECK(read_secret(place.path() / "none").code() == errc::bad_path);
  CHECK(read_secret(place.path()).code() == errc::bad_path);
  CHECK(read_secret(make_fifo(place)).code() == errc::bad_path);
}

TEST_CASE("a configuration file that is none is refused", "[config]") {
  temporary_directory place;
  auto read = [](const std::string& path) {
    layered_options options;
    auto found = options.read_file(path);
    return found ? std::string{found->code()} + " " + found->message()
                 : std::string{"none"};
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(read(place.path() / "none"),
             Contains("E-CONFIG") && Contains("No such file"));
  CHECK_THAT(read(place.path()), Contains("directory"));
  CHECK_THAT(read(make_fifo(place)), Contains("not a regular file"));
  CHECK_THAT(read(write_file(place, "empty", "", 0644)), Contains("empty"));
  CHECK_THAT(
    read(write_file(place, "long", std::string(max_config_file_bytes + 1, ' '),
                    0644)),
    Contains("longer than 1048576 bytes"));
}

TEST_CASE("each problem has a code and a status of its own kind", "[config]") {
  std::set<std::string_view> names;
  for (std::uint8_t i = 0; i < problem_count; ++i) {
    auto code = static_cast<problem>(i);
    CHECK(names.insert(code_name(code)).second);
    CHECK(exit_status(code) >= 2);
    CHECK(exit_status(code) <= 6);
  }
}

TEST_CASE("a group that cannot bear a node that lies is refused", "[config]") {
  node_options options;
  namespace_options space;
  space.name = "ledger";
  space.consistency = consistency_level::linearizable;
  options.namespaces = {space};
  options.data_dir = "/var/lib/neuroplex";
  options.agreement.protocol = agreement_protocol::pbft;
  auto complaint = [&options] {
    auto valid = options.validate();
    return valid ? std::string{} : valid.error().message();
  };
  CHECK(complaint().starts_with("peers: 1 nodes: expected at least 4 nodes"));
  for (std::uint32_t id = 2; id < 5; ++id) {
    CHECK(complaint().starts_with("peers: "));
    options.peers.push_back(
      {id, "127.0.0.1", static_cast<std::uint16_t>(7'400 + id)});
  }
  CHECK(complaint().empty());
  options.raft.groups = 2;
  CHECK(complaint().starts_with("raft.groups: 2"));
  options.raft.groups = 1;
  options.raft.lease_reads = true;
  CHECK(complaint().starts_with("raft.lease_reads: true"));
  options.agreement.protocol = agreement_protocol::raft;
  CHECK(complaint().empty());
}

TEST_CASE("agreement is refused where it cannot work", "[config]") {
  node_options options;
  namespace_options space;
  space.name = "ledger";
  space.consistency = consistency_level::linearizable;
  options.namespaces = {space};
  options.data_dir = "/var/lib/neuroplex";
  auto complaint = [&options] {
    auto valid = options.validate();
    return valid ? std::string{} : valid.error().message();
  };
  CHECK(complaint().empty());
  CHECK(options.raft_path() == "/var/lib/neuroplex/raft");
  CHECK(options.agreed_namespaces() == std::vector<std::string>{"ledger"});
  options.peers = {{2, "127.0.0.1", 7401}};
  CHECK(complaint().starts_with("peers: 2 nodes"));
  options.peers.push_back({3, "127.0.0.1", 7402});
  CHECK(complaint().empty());
  options.raft.heartbeat_ms = 151;
  CHECK(complaint().starts_with("raft.heartbeat_ms: 151 ms"));
  options.raft.heartbeat_ms = 150;
  options.raft.groups = 1'025;
  CHECK(complaint().starts_with("raft.groups: 1025"));
  options.raft.groups = 0;
  CHECK(complaint().starts_with("raft.groups: 0"));
  options.raft.groups = 1'024;
  options.data_dir.clear();
  CHECK(complaint().starts_with("raft.directory: none"));
  options.raft.directory = "/var/lib/raft";
  CHECK(complaint().empty());
  options.namespaces[0].settings.quota_bytes = 1;
  CHECK(complaint().starts_with("namespaces: ledger: quota=1"));
  options.namespaces[0].settings = {};
  options.namespaces[0].settings.policy = memory::policy_kind::lru;
  CHECK(complaint().starts_with("namespaces: ledger: policy=lru"));
}

TEST_CASE("replicas are refused where they cannot work", "[config]") {
  node_options options;
  auto space = parse_namespace(
    "shared:consistency=bounded_staleness:staleness=250ms:stale_reads=forward:"
    "concurrent=all:resolver=longest:shards=4");
  REQUIRE(space);
  CHECK(space->replicated());
  CHECK_FALSE(space->agreed());
  CHECK(space->staleness_ms == 250);
  CHECK(space->stale_reads == stale_read::forward);
  CHECK(space->concurrent == concurrent_writes::all);
  CHECK(space->resolver == "longest");
  CHECK(space->shards == 4);
  auto again = parse_namespaces(display_namespaces({*space}));
  REQUIRE(again);
  CHECK(*again == std::vector<namespace_options>{*space});
  options.namespaces = {*space};
  auto complaint = [&options] {
    auto valid = options.validate();
    return valid ? std::string{} : valid.error().message();
  };
  CHECK(complaint().starts_with("node.data_dir: none"));
  options.data_dir = "/var/lib/neuroplex";
  CHECK(complaint().empty());
  CHECK(options.replica_path() == "/var/lib/neuroplex/replicas");
  options.namespaces[0].consistency = consistency_level::causal;
  CHECK(complaint().starts_with("namespaces: shared: shards=4"));
  options.namespaces[0].shards = 1;
  CHECK(complaint().empty());
  options.namespaces[0].settings.default_ttl_ms = 1;
  CHECK(complaint().starts_with("namespaces: shared: ttl=1"));
  for (const auto* wrong :
       {"s:shards=0", "s:shards=65", "s:staleness=9ms", "s:concurrent=some",
        "s:stale_reads=never", "s:resolver=", "s:resolver=Mine",
        "s:consistency=casual"})
    CHECK_FALSE(parse_namespace(wrong));
}

TEST_CASE("a concept memory needs a directory", "[config]") {
  node_options options;
  auto complaint = [&options] {
    auto valid = options.validate();
    return valid ? std::string{} : valid.error().message();
  };
  options.concepts.enabled = true;
  CHECK(complaint().starts_with("concept.directory: none"));
  options.data_dir = "/var/lib/neuroplex";
  CHECK(complaint().empty());
  CHECK(options.concept_path() == "/var/lib/neuroplex/concepts");
  options.concepts.directory = "/var/lib/concepts";
  CHECK(options.concept_path() == "/var/lib/concepts");
  options.concepts.batch = 0;
  CHECK(complaint().starts_with("concept.batch: 0"));
}

TEST_CASE("a replicated concept memory needs a data directory, loses nothing, "
          "and has a name of its own",
          "[config]") {
  node_options options;
  auto complaint = [&options] {
    auto valid = options.validate();
    return valid ? std::string{} : valid.error().message();
  };
  options.concepts.enabled = true;
  options.concepts.directory = "/var/lib/concepts";
  options.concepts.replication = concept_replication::replicas;
  CHECK(complaint().starts_with("node.data_dir: none"));
  options.data_dir = "/var/lib/neuroplex";
  CHECK(complaint().empty());
  options.concepts.overflow = concept_overflow::drop_oldest;
  CHECK(complaint().starts_with("concept.overflow: drop_oldest"));
  options.concepts.overflow = concept_overflow::spill;
  options.namespaces.emplace_back().name = concept_replica_name;
  CHECK(complaint().starts_with("namespaces: .concepts"));
  options.concepts.enabled = false;
  CHECK(complaint().empty());
}
