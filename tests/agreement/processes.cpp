// Agreement among real processes: clients write down what they were told while
// nodes fail in every way below; the history must have an order.
//
//   agreement_processes PROGRAM [--nodes N] [--groups G] [--history FILE]
//                       [--agreement raft|pbft|hybrid]
//     --kills N        whoever leads is killed, and started again
//     --pauses N       whoever leads stands still (--pause-ms, 0: until others
//                      have answered)
//     --restarts N     all nodes are stopped and started, one after the other
//     --replacements N a node leaves, loses its disk, learns and votes again
//     --partitions N   whoever leads is heard but hears nobody; then all but it
//                      are deaf; needs root, for a network of its own
//     --full N         the disk of whoever leads is full for a time; needs root
//
// PROGRAM is `neuroplex`. Exit status 0: the history is linearizable, every
// node shows the same at the end, and the groups went on after each fault.
// The gaps in service are printed. --history writes hist-v1 for another
// checker.

#include "cli/cluster/child_process.hpp"
#include "memory/eventually.test.hpp"
#include "memory/reserved_port.test.hpp"
#include "tests/agreement/resp_client.hpp"
#include "tests/sim/linearizability.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

namespace {

using namespace neuroplex;
using memory::testing::eventually;
using memory::testing::reserved_port;
using tests::resp_client;

constexpr std::size_t client_count = 6;
constexpr std::uint32_t key_count = 8;
constexpr std::uint64_t answers_between_faults = 60;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "agreement: %s\n", what.c_str());
  std::exit(1);
}

std::chrono::nanoseconds monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

struct settings {
  std::string program;
  std::size_t nodes = 3;
  std::size_t kills = 3;
  std::size_t pauses = 1;
  std::size_t pause_ms = 0;
  std::size_t restarts = 0;
  std::size_t replacements = 0;
  std::size_t partitions = 0;
  std::size_t full = 0;
  std::size_t groups = 1;
  std::string history;
  std::string agreement = "raft";
};

settings read(int argc, char** argv) {
  settings all;
  const std::pair<const char*, std::size_t*> numbers[] = {
    {"--nodes", &all.nodes},
    {"--groups", &all.groups},
    {"--kills", &all.kills},
    {"--pauses", &all.pauses},
    {"--pause-ms", &all.pause_ms},
    {"--restarts", &all.restarts},
    {"--replacements", &all.replacements},
    {"--partitions", &all.partitions},
    {"--full", &all.full}};
  if (argc < 2 || argc % 2 != 0)
    fail("usage: agreement_processes PROGRAM [--FLAG VALUE]...");
  all.program = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const auto* known =
      std::find_if(std::begin(numbers), std::end(numbers),
                   [&](const auto& one) { return flag == one.first; });
    if (flag == "--history")
      all.history = argv[i + 1];
    else if (flag == "--agreement")
      all.agreement = argv[i + 1];
    else if (known == std::end(numbers))
      fail(flag + ": unknown");
    else
      *known->second = std::strtoull(argv[i + 1], nullptr, 10);
  }
  return all;
}

// Runs a line of the shell; its output.
std::string run(const std::string& line, int* status = nullptr) {
  std::string text;
  auto* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr)
    fail(line + ": cannot be run");
  char room[4'096];
  while (auto got = std::fread(room, 1, sizeof(room), pipe))
    text.append(room, got);
  auto how = ::pclose(pipe);
  if (status != nullptr)
    *status = how;
  return text;
}

void must_run(const std::string& line) {
  auto status = 0;
  auto text = run(line + " 2>&1", &status);
  if (status != 0)
    fail(line + ": " + text);
}

// A network of the program's own, in which it may drop what it likes.
bool enter_own_network() {
  auto status = 0;
  run("command -v ip && command -v iptables", &status);
  if (status != 0 || ::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0)
    return false;
  must_run("ip link set lo up");
  run("iptables -L -n 2>&1", &status);
  return status == 0;
}

// A directory on a disk, removed at the end.
class scratch {
public:
  scratch() {
    auto pattern =
      (std::filesystem::temp_directory_path() / "agreement-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      fail(pattern + ": cannot be made");
    path_ = pattern;
  }

  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const {
    return path_;
  }

private:
  std::string path_;
};

class cluster {
public:
  explicit cluster(const settings& how)
    : program_{how.program}, agreement_{how.agreement}, groups_{how.groups},
      basp_(how.nodes), resp_(how.nodes), raft_(how.nodes),
      processes_(how.nodes) {
    for (std::size_t i = 0; i < how.nodes; ++i) {
      std::filesystem::create_directories(raft_directory(i));
      if (how.full > 0)
        mount_small_disk(i);
      start(i);
    }
  }

  ~cluster() {
    for (auto& one : processes_)
      one.reset();
    for (const auto& path : mounted_)
      run("umount " + path);
  }

  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  void start(std::size_t which) {
    auto home = home_of(which);
    std::vector<std::string> words{
      program_,           "serve",
      "--replica-id",     std::to_string(which + 1),
      "--cluster",        "agreement",
      "--data-dir",       home,
      "--segment-size",   "16M",
      "--port",           std::to_string(basp_[which].number()),
      "--resp-port",      std::to_string(resp_port(which)),
      "--raft-dir",       raft_directory(which),
      "--raft-port",      std::to_string(raft_port(which)),
      "--raft-groups",    std::to_string(groups_),
      "--worker-threads", "1",
      "--space",          "default:consistency=linearizable",
      "--agreement",      agreement_,
      "--calm",           "500ms",
      "--snapshot-after", "64K",
      "--reconnect",      "100ms"};
    for (std::size_t i = 0; i < basp_.size(); ++i)
      if (i != which) {
        words.emplace_back("--peer");
        words.push_back(std::to_string(i + 1)
                        + "@127.0.0.1:" + std::to_string(basp_[i].number()));
      }
    auto started = cli::child_process::start(
      {.arguments = words, .output_path = home + "/output", .error_path = {}});
    if (!started)
      fail(started.error().message());
    processes_[which].emplace(std::move(*started));
  }

  void send(std::size_t which, int number) {
    if (::kill(processes_[which]->pid(), number) != 0)
      fail("a node is gone that should be there: see its output: "
           + output(which));
    if (number == SIGKILL)
      processes_[which].reset(); // reaps it
  }

  // Ends a node as an operator does: not while it begins, when a signal ends it
  // at once.
  void stop(std::size_t which) {
    resp_client to{resp_port(which)};
    std::string text;
    if (!eventually(
          [&] { return to.ask({"PING"}, text) == resp_client::answer::value; }))
      fail("node " + std::to_string(which + 1)
           + " does not answer: " + output(which));
    auto how = processes_[which]->stop(std::chrono::seconds{20});
    if (!how.ok())
      fail("node " + std::to_string(which + 1) + " ended with "
           + how.to_string() + ": " + output(which));
    processes_[which].reset();
  }

  // Asks node `by` for a change; false when it is refused.
  bool raft(const std::string& words, std::size_t by) {
    auto status = 0;
    run(program_ + " raft " + words + " --timeout 10s --node 127.0.0.1:"
          + std::to_string(basp_[by].number()) + " >/dev/null 2>&1",
        &status);
    return status == 0;
  }

  // What node `of` says of its part in agreement, as JSON.
  std::string status(std::size_t of) {
    return run(program_ + " raft status --timeout 2s --output json "
               + "--node 127.0.0.1:" + std::to_string(basp_[of].number())
               + " 2>/dev/null");
  }

  [[nodiscard]] std::string raft_directory(std::size_t which) const {
    return home_of(which) + "/raft";
  }

  [[nodiscard]] std::uint16_t raft_port(std::size_t which) const {
    return raft_[which].number();
  }

  [[nodiscard]] std::uint16_t resp_port(std::size_t which) const {
    return resp_[which].number();
  }

  [[nodiscard]] std::size_t size() const {
    return basp_.size();
  }

  // Who leads, as some node knows it that is not `except`.
  std::size_t leader(std::size_t except) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (i == except)
        continue;
      auto text = status(i);
      auto at = text.find("\"leader\": ");
      if (at == std::string::npos)
        continue;
      auto id = std::strtoull(text.c_str() + at + 10, nullptr, 10);
      if (id >= 1 && id <= size())
        return id - 1;
    }
    return size();
  }

  [[nodiscard]] std::string output(std::size_t which) const {
    std::ifstream in{room_.path() + "/node-" + std::to_string(which + 1)
                     + "/output"};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

private:
  [[nodiscard]] std::string home_of(std::size_t which) const {
    return room_.path() + "/node-" + std::to_string(which + 1);
  }

  // Two segments of the log fit, and little else.
  void mount_small_disk(std::size_t which) {
    must_run("mount -t tmpfs -o size=150m none " + raft_directory(which));
    mounted_.push_back(raft_directory(which));
  }

  std::string program_;
  std::string agreement_;
  std::size_t groups_;
  scratch room_;
  std::vector<std::string> mounted_;
  std::vector<reserved_port> basp_;
  std::vector<reserved_port> resp_;
  std::vector<reserved_port> raft_;
  std::vector<std::optional<cli::child_process>> processes_;
};

// What all clients were told.
class record {
public:
  sim::history::number begin(const sim::operation& asked) {
    std::lock_guard guard{mutex_};
    return told_.begin(asked);
  }

  void end(sim::history::number which, sim::outcome result,
           sim::register_value read) {
    if (result == sim::outcome::unknown)
      return;
    std::lock_guard guard{mutex_};
    told_.end(which, monotonic_now(), result, read);
    answered_ += result == sim::outcome::ok;
  }

  [[nodiscard]] std::uint64_t answered() const {
    std::lock_guard guard{mutex_};
    return answered_;
  }

  [[nodiscard]] const sim::history& told() const {
    return told_;
  }

private:
  mutable std::mutex mutex_;
  sim::history told_;
  std::uint64_t answered_ = 0;
};

std::string name_of(std::uint32_t key) {
  return "k" + std::to_string(key);
}

// One operation; answers what was read, or nothing unless it is known.
std::optional<sim::register_value> operate(resp_client& to, record& into,
                                           sim::operation what) {
  what.call = monotonic_now();
  auto number = into.begin(what);
  std::string text;
  auto answer =
    what.what == sim::verb::get
      ? to.ask({"GET", name_of(what.key)}, text)
      : to.ask({"SET", name_of(what.key), std::to_string(what.value)}, text);
  auto result = sim::outcome::ok;
  sim::register_value read = sim::absent;
  if (answer == resp_client::answer::unknown)
    result = sim::outcome::unknown;
  else if (answer == resp_client::answer::refused)
    result = sim::outcome::failed;
  else if (answer == resp_client::answer::value && what.what == sim::verb::get)
    read = std::strtoull(text.c_str(), nullptr, 10);
  into.end(number, result, read);
  if (result != sim::outcome::ok)
    return std::nullopt;
  return read;
}

void run_client(std::uint32_t number, const cluster& nodes, record& into,
                const std::atomic<bool>& ended) {
  std::mt19937_64 chance{number};
  auto node = number % nodes.size();
  auto to = std::make_unique<resp_client>(nodes.resp_port(node));
  std::uint64_t counter = 0;
  while (!ended.load()) {
    sim::operation what;
    what.client = number;
    what.key = static_cast<std::uint32_t>(chance() % key_count);
    if (chance() % 2 == 0) {
      what.what = sim::verb::put;
      what.value = (std::uint64_t{number} + 1) * 1'000'000'000 + ++counter;
    }
    if (operate(*to, into, what))
      continue;
    // Another node may know more.
    node = (node + 1) % nodes.size();
    to = std::make_unique<resp_client>(nodes.resp_port(node));
    std::this_thread::yield();
  }
}

double wait_for_answers(const record& told, std::uint64_t more,
                        const std::string& after) {
  auto began = monotonic_now();
  auto from = told.answered();
  if (!eventually([&] { return told.answered() >= from + more; },
                  std::chrono::minutes{2}))
    fail("no progress after " + after);
  return std::chrono::duration<double, std::milli>(monotonic_now() - began)
    .count();
}

std::size_t find_leader(cluster& nodes) {
  auto leader = nodes.size();
  if (!eventually([&] {
        leader = nodes.leader(nodes.size());
        return leader < nodes.size();
      }))
    fail("nobody leads");
  return leader;
}

// Every node shows the same, and clients that ask last are part of the history.
void compare_nodes(const cluster& nodes, record& into) {
  for (std::uint32_t key = 0; key < key_count; ++key) {
    std::optional<sim::register_value> first;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      resp_client to{nodes.resp_port(i)};
      std::optional<sim::register_value> read;
      if (!eventually([&] {
            read = operate(
              to, into,
              {.client = static_cast<std::uint32_t>(client_count + 1 + i),
               .key = key});
            return read.has_value();
          }))
        fail("node " + std::to_string(i + 1) + " does not answer at the end");
      if (first && *first != *read)
        fail("nodes differ in " + name_of(key));
      first = read;
    }
  }
}

// -- faults -------------------------------------------------------------------

void kill_leader(cluster& nodes, const record& told,
                 std::vector<double>& gaps_ms) {
  auto leader = find_leader(nodes);
  nodes.send(leader, SIGKILL);
  gaps_ms.push_back(wait_for_answers(told, 1, "a leader was killed"));
  wait_for_answers(told, answers_between_faults, "a leader was killed");
  nodes.start(leader);
  wait_for_answers(told, answers_between_faults, "it came back");
}

void pause_leader(cluster& nodes, const record& told, std::size_t pause_ms) {
  auto leader = find_leader(nodes);
  auto until = monotonic_now() + std::chrono::milliseconds{pause_ms};
  nodes.send(leader, SIGSTOP);
  do
    wait_for_answers(told, answers_between_faults, "a leader was stopped");
  while (monotonic_now() < until);
  nodes.send(leader, SIGCONT);
  wait_for_answers(told, answers_between_faults, "it went on");
}

// One after the other, each once the one before serves again.
void restart_all(cluster& nodes, record& told) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes.stop(i);
    wait_for_answers(told, answers_between_faults, "a node was stopped");
    nodes.start(i);
    resp_client to{nodes.resp_port(i)};
    if (!eventually([&] {
          return operate(
                   to, told,
                   {.client = static_cast<std::uint32_t>(client_count + 1 + i)})
            .has_value();
        }))
      fail("node " + std::to_string(i + 1) + " does not serve after a restart");
  }
}

void replace_node(cluster& nodes, const record& told) {
  auto leader = find_leader(nodes);
  auto lost = (leader + 1) % nodes.size();
  auto id = std::to_string(lost + 1);
  nodes.send(lost, SIGKILL);
  if (!eventually([&] { return nodes.raft("remove " + id, leader); }))
    fail("node " + id + " cannot be removed");
  for (const auto& one :
       std::filesystem::directory_iterator{nodes.raft_directory(lost)})
    std::filesystem::remove_all(one);
  wait_for_answers(told, answers_between_faults, "a node was removed");
  nodes.start(lost);
  // Learns first, and votes when it has caught up.
  if (!eventually(
        [&] {
          static_cast<void>(nodes.raft("add " + id, leader));
          auto text = nodes.status(lost);
          return text.find("\"voter\": true") != std::string::npos
                 && text.find("\"voter\": false") == std::string::npos;
        },
        std::chrono::minutes{2}))
    fail("node " + id + " does not vote again: " + nodes.status(lost));
  wait_for_answers(told, answers_between_faults, "it votes again");
}

void drop_packets_to(const cluster& nodes, std::size_t which, bool drop) {
  must_run("iptables -" + std::string{drop ? "A" : "D"}
           + " INPUT -p tcp --dport " + std::to_string(nodes.raft_port(which))
           + " -j DROP");
}

void partition_leader(cluster& nodes, const record& told) {
  // It hears nobody, and has to notice that by itself.
  auto leader = find_leader(nodes);
  drop_packets_to(nodes, leader, true);
  wait_for_answers(told, answers_between_faults, "a leader became deaf");
  drop_packets_to(nodes, leader, false);
  wait_for_answers(told, answers_between_faults, "it hears again");
  // Nobody hears anything but the leader: nothing can be agreed on.
  leader = find_leader(nodes);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (i != leader)
      drop_packets_to(nodes, i, true);
  if (!eventually([&] { return nodes.leader(nodes.size()) == nodes.size(); }))
    fail("somebody leads who reaches nobody");
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (i != leader)
      drop_packets_to(nodes, i, false);
  wait_for_answers(told, answers_between_faults, "all hear again");
}

// The others go on, and so does it when there is room again.
void fill_disk_of_leader(cluster& nodes, const record& told) {
  auto leader = find_leader(nodes);
  const auto filler = nodes.raft_directory(leader) + "/filler";
  run("head -c 200M /dev/zero > " + filler + " 2>/dev/null");
  const std::string value(500'000, 'v');
  resp_client to{nodes.resp_port(leader)};
  std::string text;
  if (!eventually(
        [&] {
          static_cast<void>(to.ask({"SET", "bulk", value}, text));
          return nodes.status(leader).find("\"log_full\": true")
                 != std::string::npos;
        },
        std::chrono::minutes{3}))
    fail("the disk does not become full");
  wait_for_answers(told, answers_between_faults, "a disk was full");
  std::filesystem::remove(filler);
  if (!eventually([&] {
        return nodes.status(leader).find("\"log_full\": false")
               != std::string::npos;
      }))
    fail("the node does not go on with room on its disk");
  wait_for_answers(told, answers_between_faults, "there was room again");
}

} // namespace

int main(int argc, char** argv) {
  auto how = read(argc, argv);
  if (how.partitions > 0 && !enter_own_network()) {
    std::printf("agreement: no partitions: they need root, ip and iptables\n");
    how.partitions = 0;
  }
  if (how.full > 0 && ::geteuid() != 0) {
    std::printf("agreement: no full disk: it needs root, for mount\n");
    how.full = 0;
  }
  cluster nodes{how};
  record told;
  std::atomic<bool> ended{false};
  std::vector<std::thread> clients;
  for (std::uint32_t i = 0; i < client_count; ++i)
    clients.emplace_back([&, i] { run_client(i, nodes, told, ended); });
  wait_for_answers(told, answers_between_faults, "the start");
  std::vector<double> gaps_ms;
  for (std::size_t i = 0; i < how.kills; ++i)
    kill_leader(nodes, told, gaps_ms);
  for (std::size_t i = 0; i < how.pauses; ++i)
    pause_leader(nodes, told, how.pause_ms);
  for (std::size_t i = 0; i < how.restarts; ++i)
    restart_all(nodes, told);
  for (std::size_t i = 0; i < how.replacements; ++i)
    replace_node(nodes, told);
  for (std::size_t i = 0; i < how.partitions; ++i)
    partition_leader(nodes, told);
  for (std::size_t i = 0; i < how.full; ++i)
    fill_disk_of_leader(nodes, told);
  ended = true;
  for (auto& one : clients)
    one.join();
  compare_nodes(nodes, told);
  if (!how.history.empty())
    std::ofstream{how.history} << told.told().to_json_lines(0);
  auto verdict = sim::judge(told.told());
  if (!verdict.violation.empty())
    fail("no order explains what clients were told: " + verdict.violation);
  std::sort(gaps_ms.begin(), gaps_ms.end());
  std::printf("agreement: %zu nodes, %zu operations, %llu answered, %llu keys "
              "undecided",
              how.nodes, told.told().operations().size(),
              static_cast<unsigned long long>(told.answered()),
              static_cast<unsigned long long>(verdict.undecided_keys));
  if (!gaps_ms.empty())
    std::printf("; next answer after a kill: median %.0f ms, worst %.0f ms",
                gaps_ms[gaps_ms.size() / 2], gaps_ms.back());
  std::printf("\n");
  return verdict.undecided_keys == 0 ? 0 : 1;
}
