#include "tests/actors/cluster.hpp"

#include "consensus/placement/hash_slots.hpp"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace neuroplex::tests {

namespace {

constexpr std::uint32_t shards = 12; // as in node_program.cpp

std::string read_line(int descriptor, std::chrono::milliseconds patience) {
  std::string line;
  eventually(
    [&] {
      char byte = 0;
      ssize_t count = 0;
      while ((count = ::read(descriptor, &byte, 1)) == 1 && byte != '\n')
        line += byte;
      return count == 0 || byte == '\n';
    },
    patience);
  return line;
}

std::string read_all(int descriptor) {
  std::string text;
  char buffer[1024];
  ssize_t count = 0;
  while ((count = ::read(descriptor, buffer, sizeof(buffer))) > 0)
    text.append(buffer, static_cast<std::size_t>(count));
  return text;
}

} // namespace

cluster::cluster(std::uint32_t count, std::uint32_t connection_timeout_ms)
  : connection_timeout_ms_{connection_timeout_ms} {
  for (std::uint32_t id = 1; id <= count; ++id) {
    nodes_.try_emplace(id);
    std::filesystem::create_directory(directory(id));
  }
}

cluster::~cluster() {
  for (auto& [id, node] : nodes_)
    kill(id);
}

bool cluster::start(std::uint32_t id, const std::string& name) {
  auto& node = nodes_.at(id);
  std::vector<std::string> words{NEUROPLEX_NODE_PROGRAM,
                                 std::to_string(id),
                                 directory(id),
                                 std::to_string(node.port.number()),
                                 name,
                                 std::to_string(connection_timeout_ms_)};
  for (auto& [other, record] : nodes_)
    if (other != id)
      words.push_back(std::to_string(other) + ":"
                      + std::to_string(record.port.number()));
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int input[2];
  int output[2];
  int errors[2];
  REQUIRE(::pipe2(input, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(output, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(errors, O_CLOEXEC) == 0);
  auto parent = ::getpid();
  auto pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
      ::_exit(127);
    ::dup2(input[0], STDIN_FILENO);
    ::dup2(output[1], STDOUT_FILENO);
    ::dup2(errors[1], STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  ::close(errors[1]);
  node.pid = pid;
  node.input = input[1];
  ::fcntl(output[0], F_SETFL, O_NONBLOCK);
  ::fcntl(errors[0], F_SETFL, O_NONBLOCK);
  auto ready = read_line(output[0], 60s).starts_with("ready");
  if (!ready) {
    eventually([&] {
      complaint_ += read_all(errors[0]);
      return !complaint_.empty();
    });
    kill(id);
  }
  ::close(output[0]);
  ::close(errors[0]);
  return ready;
}

bool cluster::start_all() {
  for (auto& [id, node] : nodes_)
    if (!start(id))
      return false;
  return await_meetings();
}

bool cluster::await_meetings() {
  for (auto& [id, node] : nodes_) {
    auto client = client_of(id);
    auto met_all = eventually([&] {
      auto report = client.stats();
      if (!report)
        return false;
      for (const auto& peer : report->router.peers)
        if (peer.state != actors::peer_state::connected)
          return false;
      return true;
    });
    if (!met_all)
      return false;
  }
  return true;
}

int cluster::stop(std::uint32_t id) {
  auto& node = nodes_.at(id);
  ::close(node.input);
  node.input = -1;
  int status = 0;
  auto ended = eventually(
    [&] { return ::waitpid(node.pid, &status, WNOHANG) == node.pid; });
  if (!ended)
    return -1;
  node.pid = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void cluster::signal(std::uint32_t id, int number) {
  auto pid = nodes_.at(id).pid;
  REQUIRE(::kill(pid, number) == 0);
  // A process stops some time after the signal; what follows counts on it.
  if (number == SIGSTOP)
    REQUIRE(::waitpid(pid, nullptr, WUNTRACED) == pid);
}

void cluster::kill(std::uint32_t id) {
  auto& node = nodes_.at(id);
  if (node.pid > 0) {
    ::kill(node.pid, SIGKILL);
    ::waitpid(node.pid, nullptr, 0);
    node.pid = 0;
  }
  if (node.input >= 0)
    ::close(node.input);
  node.input = -1;
}

actors::client cluster::client_of(std::uint32_t id,
                                  const actors::client_options& options) const {
  auto with_port = options;
  with_port.port = port(id);
  with_port.heartbeat_ms = 250;
  with_port.connect_timeout_ms = patience_ms;
  with_port.connection_timeout_ms = patience_ms;
  auto made = actors::client::connect(with_port);
  if (!made)
    FAIL(made.error().to_string());
  return std::move(*made);
}

std::uint16_t cluster::port(std::uint32_t id) const {
  return nodes_.at(id).port.number();
}

std::string cluster::directory(std::uint32_t id) const {
  return (root_.path() / std::to_string(id)).string();
}

std::uint32_t cluster::size() const {
  return static_cast<std::uint32_t>(nodes_.size());
}

pid_t cluster::process(std::uint32_t id) const {
  return nodes_.at(id).pid;
}

std::string cluster::key_of(std::uint32_t owner, std::uint32_t number) const {
  std::vector<placement::replica_id> members;
  for (auto& [id, node] : nodes_)
    members.push_back(id);
  auto table = *placement::hash_slots::make({.shards = shards}, members);
  for (std::uint32_t i = 0;; ++i) {
    auto key = "key-" + std::to_string(i);
    if (table->primary_of(key) == owner && number-- == 0)
      return key;
  }
}

std::uint64_t resident_bytes(pid_t process) {
  std::ifstream file{"/proc/" + std::to_string(process) + "/statm"};
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace neuroplex::tests
