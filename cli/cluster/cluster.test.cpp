#include "cli/cluster/local_cluster.hpp"

#include "cli/cluster/reserved_port.hpp"
#include "cli/cluster/scratch_directory.hpp"
#include "cli/terminal/interrupt.hpp"
#include "config/layers.hpp"
#include "config/settings.hpp"
#include "memory/eventually.test.hpp"

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::cli;
using namespace std::chrono_literals;

namespace {

using memory::testing::eventually;

constexpr auto patience = 60s;

scratch_directory make_scratch() {
  auto scratch = scratch_directory::make(
    std::filesystem::temp_directory_path().string(), "neuroplex-test-");
  REQUIRE(scratch);
  return std::move(*scratch);
}

std::string text_of(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

child_command shell(const scratch_directory& scratch, std::string script) {
  return {.arguments = {"/bin/sh", "-c", std::move(script)},
          .output_path = scratch.path() + "/out",
          .error_path = {}};
}

// A script in the place of the program: takes the arguments of `serve`.
std::string write_program(const scratch_directory& scratch,
                          const std::string& body) {
  auto path = scratch.path() + "/program";
  std::ofstream{path} << "#!/bin/sh\n" << body;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

} // namespace

TEST_CASE("a child's exit status and output arrive") {
  auto scratch = make_scratch();
  auto child = child_process::start(
    shell(scratch, "read line; echo out; echo err >&2; exit 3"));
  REQUIRE(child);
  auto ended = child->wait(patience);
  REQUIRE(ended);
  CHECK(ended->status == 3);
  CHECK(ended->to_string() == "exit status 3");
  CHECK(text_of(scratch.path() + "/out") == "out\nerr\n");
  CHECK(child->stop(1s).status == 3); // ended already: told again
}

TEST_CASE("settings in the environment do not reach a child") {
  auto scratch = make_scratch();
  ::setenv("NEUROPLEX_BASP_PORT", "1", 1);
  auto child = child_process::start(
    shell(scratch, "echo ${NEUROPLEX_BASP_PORT-none} ${HOME-none}"));
  ::unsetenv("NEUROPLEX_BASP_PORT");
  REQUIRE(child);
  REQUIRE(child->wait(patience));
  CHECK(text_of(scratch.path() + "/out").starts_with("none "));
}

TEST_CASE("a program that is not there is told at once") {
  auto scratch = make_scratch();
  auto child = child_process::start({.arguments = {"/nonexistent/program"},
                                     .output_path = scratch.path() + "/out",
                                     .error_path = {}});
  REQUIRE(!child);
  CHECK(child.error().message()
        == "/nonexistent/program: cannot be run: No such file or directory");
}

TEST_CASE("stop asks first and kills what does not listen") {
  auto scratch = make_scratch();
  auto polite = child_process::start(shell(
    scratch, "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"));
  REQUIRE(polite);
  REQUIRE(
    eventually([&] { return text_of(scratch.path() + "/out") == "up\n"; }));
  CHECK(polite->stop(patience).ok());

  std::filesystem::remove(scratch.path() + "/out");
  auto deaf = child_process::start(
    shell(scratch, "trap '' TERM; echo up; while :; do sleep 0.01; done"));
  REQUIRE(deaf);
  REQUIRE(
    eventually([&] { return text_of(scratch.path() + "/out") == "up\n"; }));
  CHECK(deaf->stop(50ms).signal == SIGKILL);
}

TEST_CASE("stop asks only once, since a second signal may mean more") {
  auto scratch = make_scratch();
  // Ends with the number of signals it saw, some time after the first.
  auto child = child_process::start(
    shell(scratch, "n=0; trap 'n=$((n+1))' TERM; echo up\n"
                   "while [ $n = 0 ]; do sleep 0.01; done\n"
                   "sleep 0.1; exit $n"));
  REQUIRE(child);
  REQUIRE(
    eventually([&] { return text_of(scratch.path() + "/out") == "up\n"; }));
  child->ask_to_stop();
  child->ask_to_stop();
  CHECK(child->stop(patience).status == 1);
}

TEST_CASE("a child's end is noticed without waiting for it") {
  auto scratch = make_scratch();
  auto child = child_process::start(shell(scratch, "kill -9 $$"));
  REQUIRE(child);
  CHECK(eventually([&] { return child->poll().has_value(); }));
  CHECK(child->poll()->to_string() == "signal 9");
}

TEST_CASE("a child dies with its parent, whatever the parent dies of") {
  auto scratch = make_scratch();
  const auto pid_file = scratch.path() + "/pid";
  const pid_t parent = ::fork();
  REQUIRE(parent >= 0);
  if (parent == 0) {
    auto child = child_process::start(
      shell(scratch, "echo $$ > " + pid_file + "; exec sleep 100"));
    for (;;)
      ::pause();
  }
  pid_t grandchild = 0;
  REQUIRE(eventually([&] {
    std::ifstream{pid_file} >> grandchild;
    return grandchild > 0;
  }));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  // A zombie that nobody reaps still has an id, but no command line.
  CHECK(eventually([&] {
    return text_of("/proc/" + std::to_string(grandchild) + "/cmdline").empty();
  }));
}

TEST_CASE("a scratch directory goes with its owner, a killed one's later") {
  const auto parent = std::filesystem::temp_directory_path().string();
  const auto prefix = "neuroplex-left-" + std::to_string(::getpid()) + '-';
  std::string path;
  {
    auto scratch = scratch_directory::make(parent, prefix);
    REQUIRE(scratch);
    path = scratch->path();
    std::ofstream{path + "/file"} << "x";
    CHECK(remove_left_behind(parent, prefix) == 0); // it is in use
    CHECK(std::filesystem::exists(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
  const pid_t other = ::fork();
  REQUIRE(other >= 0);
  if (other == 0) {
    auto left = scratch_directory::make(parent, prefix);
    ::_exit(left ? 0 : 1); // no destructor runs, as after a crash
  }
  int status = 1;
  ::waitpid(other, &status, 0);
  REQUIRE(status == 0);
  CHECK(remove_left_behind(parent, prefix) == 1);
  CHECK(remove_left_behind(parent, prefix) == 0);
}

TEST_CASE("there is no directory with more room than there is") {
  CHECK(parent_with_space(1));
  auto none = parent_with_space(~std::uint64_t{0} >> 1);
  REQUIRE(!none);
  CHECK(none.code() == errc::no_space);
}

TEST_CASE("reserved ports are different from one another") {
  std::vector<reserved_port> ports;
  std::set<std::uint16_t> numbers;
  for (int i = 0; i < 50; ++i) {
    auto port = reserved_port::make();
    REQUIRE(port);
    numbers.insert(port->number());
    ports.push_back(std::move(*port));
  }
  CHECK(numbers.size() == 50);
}

TEST_CASE("a reserved port refuses until its owner listens, time and again") {
  auto port = reserved_port::make();
  REQUIRE(port);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port->number());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  auto use = [&](auto&& body) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const bool done = body(socket);
    ::close(socket);
    return done;
  };
  auto reached = [&] {
    return use([&](int socket) {
      return ::connect(socket, generic, sizeof address) == 0;
    });
  };
  for (int life = 0; life < 2; ++life) {
    CHECK_FALSE(reached());
    CHECK(use([&](int socket) {
      return ::bind(socket, generic, sizeof address) == 0
             && ::listen(socket, 1) == 0 && reached();
    }));
  }
}

TEST_CASE("a node's settings file says what its options say") {
  local_cluster_options options;
  options.directory = "/nonexistent";
  options.program = "/bin/true";
  options.cluster_name = "test";
  options.common.segment.segment_bytes = std::uint64_t{8} << 20;
  auto cluster = local_cluster::plan(options);
  REQUIRE(cluster);
  REQUIRE(cluster->nodes().size() == 3);
  for (auto& node : cluster->nodes()) {
    config::layered_options layers;
    auto refused =
      layers.read_text(config_file_of(node.options()), "node.json");
    REQUIRE_FALSE(refused);
    config::node_options read;
    REQUIRE_FALSE(layers.resolve(read));
    CHECK(read.replica_id == node.options().replica_id);
    CHECK(read.data_dir == node.options().data_dir);
    CHECK(read.basp.port == node.options().basp.port);
    CHECK(read.peers == node.options().peers);
    CHECK(read.segment.segment_bytes == std::uint64_t{8} << 20);
    for (const auto& row : config::settings())
      CHECK(config::file_value(row, row.get(read))
            == config::file_value(row, row.get(node.options())));
  }
}

TEST_CASE("a node that ends early tells the end of its log") {
  auto scratch = make_scratch();
  local_cluster_options options;
  options.node_count = 2;
  options.directory = scratch.path();
  options.program =
    write_program(scratch, "echo listening; echo it is broken >&2; exit 6\n");
  auto cluster = local_cluster::plan(options);
  REQUIRE(cluster);
  auto started = cluster->start(patience, [] { return false; });
  REQUIRE(!started);
  CHECK(started.code() == errc::unavailable);
  CHECK(started.error().message().starts_with(
    "node 1 ended before it was ready (exit status 6); the end of "));
  CHECK(started.error().message().ends_with("\n  listening\n  it is broken"));
}

TEST_CASE("a cluster starts when every node is ready and stops together") {
  auto scratch = make_scratch();
  local_cluster_options options;
  options.directory = scratch.path();
  // The arguments are: serve --config FILE --ready-file FILE.
  options.program = write_program(
    scratch, "trap 'exit 0' TERM\ntest -s \"$3\" || exit 2\n: > \"$5\"\n"
             "while :; do sleep 0.01; done\n");
  auto cluster = local_cluster::plan(options);
  REQUIRE(cluster);
  REQUIRE(cluster->start(patience, [] { return false; }));
  for (auto& node : cluster->nodes())
    CHECK(node.running());
  auto& victim = cluster->nodes()[1];
  const auto before = victim.pid();
  victim.kill();
  CHECK_FALSE(victim.running());
  REQUIRE(victim.start());
  CHECK(victim.start().code() == errc::busy);
  REQUIRE(victim.wait_ready(patience, [] { return false; }));
  CHECK(victim.pid() != before);
  CHECK(cluster->stop(patience));
  for (auto& node : cluster->nodes())
    CHECK_FALSE(node.running());
}

namespace {

// Sends bytes into one end of a connection and takes them out of the other;
// false when it ended.
bool passes(const tunnel::socket_handle& from, const tunnel::socket_handle& to,
            const std::string& bytes) {
  if (::send(from.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
      != static_cast<ssize_t>(bytes.size()))
    return false;
  std::string arrived(bytes.size(), '\0');
  return ::recv(to.get(), arrived.data(), arrived.size(), MSG_WAITALL)
           == static_cast<ssize_t>(bytes.size())
         && arrived == bytes;
}

// A blocking connection that gives up after `patience`; not valid when refused.
tunnel::socket_handle connect_blocking(std::uint16_t port) {
  tunnel::socket_handle result{
    ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const timeval limit{patience.count(), 0};
  ::setsockopt(result.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const auto address = tunnel::loopback_address(port);
  if (::connect(result.get(), address.get(), address.length) != 0)
    result.reset();
  return result;
}

} // namespace

TEST_CASE("links pass what nodes say, until they are cut") {
  auto target = tunnel::listen_on(tunnel::loopback_address(0));
  REQUIRE(target);
  auto links = cuttable_links::start(
    {tunnel::local_port(target->get()), std::uint16_t{1}});
  REQUIRE(links);
  auto accept_one = [&] {
    pollfd wanted{target->get(), POLLIN, 0};
    REQUIRE(::poll(&wanted, 1, 60'000) == 1);
    return tunnel::socket_handle{
      ::accept4(target->get(), nullptr, nullptr, SOCK_CLOEXEC)};
  };
  auto ended = [](const tunnel::socket_handle& socket) {
    char byte = 0;
    return ::recv(socket.get(), &byte, 1, 0) <= 0;
  };
  const std::string much(60'000, 'x');
  for (int life = 0; life < 2; ++life) {
    auto here = connect_blocking((*links)->port_to(0));
    REQUIRE(here.valid());
    auto there = accept_one();
    CHECK(passes(here, there, "ahoy"));
    CHECK(passes(there, here, "hello"));
    for (int i = 0; i < 20; ++i) {
      CHECK(passes(here, there, much));
      CHECK(passes(there, here, much));
    }
    (*links)->cut();
    CHECK(ended(here));
    CHECK(ended(there));
    CHECK(ended(connect_blocking((*links)->port_to(0))));
    (*links)->mend();
  }
  // Nobody listens there.
  CHECK(ended(connect_blocking((*links)->port_to(1))));
}

TEST_CASE("waiting for a node ends when it is given up") {
  auto scratch = make_scratch();
  local_cluster_options options;
  options.node_count = 1;
  options.directory = scratch.path();
  options.program = write_program(scratch, "exec sleep 100\n");
  auto cluster = local_cluster::plan(options);
  REQUIRE(cluster);
  CHECK(cluster->start(patience, [] { return true; }).code() == errc::deadline);
  CHECK(cluster->start(20ms, [] { return false; }).code() == errc::busy);
  CHECK_FALSE(cluster->stop(20ms)); // sleep ends by the signal
}

TEST_CASE("an interrupt is a flag while the guard lives") {
  {
    interrupt_guard guard;
    CHECK_FALSE(interrupt_guard::requested());
    ::raise(SIGTERM);
    CHECK(interrupt_guard::requested());
    CHECK(interrupt_guard::signal_number() == SIGTERM);
  }
  interrupt_guard again;
  CHECK_FALSE(interrupt_guard::requested());
}
