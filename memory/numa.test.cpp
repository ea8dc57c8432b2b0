#include "memory/numa.hpp"

#include "memory/store.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using Catch::Contains;
using neuroplex::memory::testing::temporary_directory;

namespace {

constexpr numa_policy policies[] = {numa_policy::system, numa_policy::local,
                                    numa_policy::interleave, numa_policy::bind};

struct segment_name {
  std::string path =
    "/dev/shm/neuroplex-numa-test-" + std::to_string(::getpid());

  ~segment_name() {
    ::unlink(path.c_str());
  }
};

} // namespace

TEST_CASE("sets of memory nodes are read and written alike") {
  for (const auto* text : {"", "0", "0-1", "0-1,3", "1,3,5-63", "63"}) {
    auto nodes = parse_node_set(text);
    REQUIRE(nodes);
    CHECK(node_set_text(*nodes) == text);
  }
  CHECK(*parse_node_set("0-1,3") == 0b1011);
  for (const auto* text : {"a", "-1", "0-", "1-0", "64", "0-64", "0,", ",0",
                           "0 1", "4294967296", "0-4294967295"})
    CHECK(parse_node_set(text).code() == errc::bad_argument);
}

TEST_CASE("the nodes of a machine are those that have memory") {
  temporary_directory folder;
  auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream{folder.path() / name} << text << '\n';
  };
  for (const auto* name : {"node0", "node2"})
    std::filesystem::create_directory(folder.path() / name);
  write("has_memory", "0,2");
  write("node0/cpulist", "0-3,8-11");
  write("node0/meminfo", "Node 0 MemTotal:       16384 kB\n"
                         "Node 0 MemFree:         1024 kB");
  write("node2/cpulist", "");
  auto nodes = numa_nodes(folder.path().string());
  REQUIRE(nodes.size() == 2);
  CHECK(nodes[0].number == 0);
  CHECK(nodes[0].cpus == "0-3,8-11");
  CHECK(nodes[0].cpu_count == 8);
  CHECK(nodes[0].memory_bytes == 16U << 20);
  CHECK(nodes[1].number == 2);
  CHECK(nodes[1].cpu_count == 0);
  CHECK(nodes[1].memory_bytes == 0);
  CHECK(numa_nodes((folder.path() / "absent").string()).empty());
}

TEST_CASE("a segment with any memory policy serves the same") {
  for (auto policy : policies) {
    segment_name name;
    segment_options options{.segment_bytes = 2U << 20};
    options.numa.policy = policy;
    auto made = store::create(name.path, options);
    REQUIRE(made);
    auto placed = made->memory_placement();
    CHECK(placed.policy == policy);
    CHECK_THAT(placed.text, Contains(std::string{to_string(policy)}));
    // Either the kernel took it, as it says for a page of our own, or why not.
    CHECK(placed.applied == try_placement(options.numa).applied);
    auto ns = namespace_id::default_namespace;
    REQUIRE(made->set(ns, "key", "value") == errc::ok);
    auto opened = store::open(name.path, access_mode::read_write, options.numa);
    REQUIRE(opened);
    CHECK(opened->memory_placement().applied == placed.applied);
    std::string value;
    CHECK(opened->get(ns, "key", value) == errc::ok);
    CHECK(value == "value");
  }
}

TEST_CASE("a policy that cannot be had is told and does no harm") {
  segment_options options{.segment_bytes = 2U << 20};
  SECTION("nodes that no machine here has") {
    segment_name name;
    options.numa = {numa_policy::bind, numa_node_set{1} << 63};
    auto made = store::create(name.path, options);
    REQUIRE(made);
    CHECK_FALSE(made->memory_placement().applied);
    CHECK_THAT(made->memory_placement().text, Contains("refused"));
    CHECK(made->set(namespace_id::default_namespace, "a", "b") == errc::ok);
  }
  SECTION("a file on a disk") {
    auto path = "./numa-test-segment-" + std::to_string(::getpid());
    options.numa.policy = numa_policy::interleave;
    auto made = store::create(path, options);
    ::unlink(path.c_str());
    REQUIRE(made);
    CHECK(made->set(namespace_id::default_namespace, "a", "b") == errc::ok);
    // What the build directory lies on is not ours to choose.
    CHECK_THAT(made->memory_placement().text, Contains("interleave"));
  }
}
