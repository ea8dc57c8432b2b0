// Agreement among real processes: clients write down what they were told while
// nodes fail in every way below; the history must have an order.
//
//   agreement_processes PROGRAM [--nodes N] [--groups G] [--history FILE]
//                       [--agreement raft|pbft|hybrid] [--hosts 1]
//     --kills N        whoever leads is killed, and started again
//     --pauses N       whoever leads stands still (--pause-ms, 0: until others
//                      have answered)
//     --restarts N     all nodes are stopped and started, one after the other
//     --replacements N a node leaves, loses its disk, learns and votes again
//     --partitions N   whoever leads is heard but hears nobody; then all but it
//                      are deaf; needs root, for a network of its own
//     --full N         the disk of whoever leads is full for a time; needs root
//     --hosts 1        each node on a host with an address of its own, reached
//                      through the tunnel; needs root; then partitions also cut
//                      whoever leads off altogether
//
// PROGRAM is `neuroplex`. Exit status 0: the history is linearizable, every
// node shows the same at the end, and the groups went on after each fault.
// The gaps in service are printed, beside how long an answer takes. --history
// writes hist-v1 for another checker. 77: it needs rights that it has not.

#include "memory/eventually.test.hpp"
#include "tests/agreement/checks.hpp"
#include "tests/agreement/cluster.hpp"
#include "tests/agreement/resp_client.hpp"
#include "tests/sim/linearizability.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>
#include <unistd.h>

namespace {

using namespace neuroplex;
using memory::testing::eventually;
using tests::agreeing_cluster;
using tests::fail;
using tests::monotonic_now;
using tests::resp_client;

constexpr std::size_t client_count = 6;
constexpr std::uint32_t key_count = 8;
constexpr std::uint64_t answers_between_faults = 60;

// As ctest knows a test that was left out.
constexpr int skipped = 77;

struct settings {
  tests::cluster_options nodes;
  std::size_t kills = 3;
  std::size_t pauses = 1;
  std::size_t pause_ms = 0;
  std::size_t restarts = 0;
  std::size_t replacements = 0;
  std::size_t partitions = 0;
  std::size_t full = 0;
  std::size_t hosts = 0;
  std::string history;
};

settings read(int argc, char** argv) {
  settings all;
  const std::pair<const char*, std::size_t*> numbers[] = {
    {"--nodes", &all.nodes.nodes},
    {"--groups", &all.nodes.groups},
    {"--kills", &all.kills},
    {"--pauses", &all.pauses},
    {"--pause-ms", &all.pause_ms},
    {"--restarts", &all.restarts},
    {"--replacements", &all.replacements},
    {"--partitions", &all.partitions},
    {"--full", &all.full},
    {"--hosts", &all.hosts}};
  if (argc < 2 || argc % 2 != 0)
    fail("usage: agreement_processes PROGRAM [--FLAG VALUE]...");
  all.nodes.program = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const auto* known =
      std::find_if(std::begin(numbers), std::end(numbers),
                   [&](const auto& one) { return flag == one.first; });
    if (flag == "--history")
      all.history = argv[i + 1];
    else if (flag == "--agreement")
      all.nodes.agreement = argv[i + 1];
    else if (known == std::end(numbers))
      fail(flag + ": unknown");
    else
      *known->second = std::strtoull(argv[i + 1], nullptr, 10);
  }
  all.nodes.own_network = all.partitions > 0;
  all.nodes.hosts = all.hosts > 0;
  all.nodes.small_disks = all.full > 0;
  return all;
}

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

void run_client(std::uint32_t number, const agreeing_cluster& nodes,
                record& into, const std::atomic<bool>& ended) {
  std::mt19937_64 chance{number};
  auto node = number % nodes.size();
  std::uint64_t counter = 0;
  while (!ended.load()) {
    auto there = nodes.net().enter(node);
    resp_client to{nodes.resp_port(node)};
    auto known = true;
    while (known && !ended.load()) {
      sim::operation what;
      what.client = number;
      what.key = static_cast<std::uint32_t>(chance() % key_count);
      if (chance() % 2 == 0) {
        what.what = sim::verb::put;
        what.value = (std::uint64_t{number} + 1) * 1'000'000'000 + ++counter;
      }
      known = operate(to, into, what).has_value();
    }
    // Another node may know more.
    node = (node + 1) % nodes.size();
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

std::size_t find_leader(agreeing_cluster& nodes) {
  auto leader = nodes.size();
  if (!eventually([&] {
        leader = nodes.leader();
        return leader < nodes.size();
      }))
    fail("nobody leads");
  return leader;
}

// Every node shows the same, and clients that ask last are part of the history.
void compare_nodes(const agreeing_cluster& nodes, record& into) {
  for (std::uint32_t key = 0; key < key_count; ++key) {
    std::optional<sim::register_value> first;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      auto there = nodes.net().enter(i);
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

void kill_leader(agreeing_cluster& nodes, const record& told,
                 std::vector<double>& gaps_ms) {
  auto leader = find_leader(nodes);
  nodes.send(leader, SIGKILL);
  gaps_ms.push_back(wait_for_answers(told, 1, "a leader was killed"));
  wait_for_answers(told, answers_between_faults, "a leader was killed");
  nodes.start(leader);
  wait_for_answers(told, answers_between_faults, "it came back");
}

void pause_leader(agreeing_cluster& nodes, const record& told,
                  std::size_t pause_ms) {
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
void restart_all(agreeing_cluster& nodes, record& told) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes.stop(i);
    wait_for_answers(told, answers_between_faults, "a node was stopped");
    nodes.start(i);
    auto there = nodes.net().enter(i);
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

void replace_node(agreeing_cluster& nodes, const record& told) {
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

void deafen(const agreeing_cluster& nodes, std::size_t which, bool yes) {
  nodes.net().deafen(which, nodes.raft_port(which), yes);
}

void partition_leader(agreeing_cluster& nodes, const record& told) {
  // It hears nobody, and has to notice that by itself.
  auto leader = find_leader(nodes);
  deafen(nodes, leader, true);
  wait_for_answers(told, answers_between_faults, "a leader became deaf");
  deafen(nodes, leader, false);
  wait_for_answers(told, answers_between_faults, "it hears again");
  // Nobody hears anything but the leader: nothing can be agreed on.
  leader = find_leader(nodes);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (i != leader)
      deafen(nodes, i, true);
  if (!eventually([&] { return nodes.leader() == nodes.size(); }))
    fail("somebody leads who reaches nobody");
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (i != leader)
      deafen(nodes, i, false);
  wait_for_answers(told, answers_between_faults, "all hear again");
  if (!nodes.net().has_hosts())
    return;
  leader = find_leader(nodes);
  nodes.net().cut(leader, true);
  wait_for_answers(told, answers_between_faults, "a leader was cut off");
  nodes.net().cut(leader, false);
  wait_for_answers(told, answers_between_faults, "it is back");
}

// The others go on, and so does it when there is room again.
void fill_disk_of_leader(agreeing_cluster& nodes, const record& told) {
  auto leader = find_leader(nodes);
  const auto filler = nodes.raft_directory(leader) + "/filler";
  tests::run("head -c 200M /dev/zero > " + filler + " 2>/dev/null");
  const std::string value(500'000, 'v');
  auto there = nodes.net().enter(leader);
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

// -- the whole of it ----------------------------------------------------------

// Clients that ask until this ends.
class load {
public:
  load(const agreeing_cluster& nodes, record& told) {
    for (std::uint32_t i = 0; i < client_count; ++i)
      clients_.emplace_back([&, i] { run_client(i, nodes, told, ended_); });
  }

  load(const load&) = delete;
  load& operator=(const load&) = delete;

  ~load() {
    ended_ = true;
    for (auto& one : clients_)
      one.join();
  }

private:
  std::atomic<bool> ended_{false};
  std::vector<std::thread> clients_;
};

std::vector<double> cause_faults(agreeing_cluster& nodes, record& told,
                                 const settings& how) {
  load clients{nodes, told};
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
  std::sort(gaps_ms.begin(), gaps_ms.end());
  return gaps_ms;
}

double median_answer_ms(const sim::history& told) {
  std::vector<std::chrono::nanoseconds> took;
  for (const auto& one : told.operations())
    if (one.result == sim::outcome::ok)
      took.push_back(one.answered - one.call);
  if (took.empty())
    return 0;
  auto middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
  std::nth_element(took.begin(), middle, took.end());
  return std::chrono::duration<double, std::milli>(*middle).count();
}

int examine(const settings& how) {
  agreeing_cluster nodes{how.nodes};
  record told;
  auto gaps_ms = cause_faults(nodes, told, how);
  compare_nodes(nodes, told);
  if (!how.history.empty())
    std::ofstream{how.history} << told.told().to_json_lines(0);
  auto verdict = sim::judge(told.told());
  if (!verdict.violation.empty())
    fail("no order explains what clients were told: " + verdict.violation);
  std::printf("agreement: %zu nodes, %zu operations, %llu answered, %llu keys "
              "undecided; an answer: median %.2f ms",
              nodes.size(), told.told().operations().size(),
              static_cast<unsigned long long>(told.answered()),
              static_cast<unsigned long long>(verdict.undecided_keys),
              median_answer_ms(told.told()));
  if (!gaps_ms.empty())
    std::printf("; the next one after a kill: median %.0f ms, worst %.0f ms",
                gaps_ms[gaps_ms.size() / 2], gaps_ms.back());
  std::printf("\n");
  return verdict.undecided_keys == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  try {
    auto how = read(argc, argv);
    const auto may_cut = tests::network::possible();
    if (how.nodes.hosts && !may_cut) {
      std::printf("agreement: no hosts: they need root, ip and iptables\n");
      return skipped;
    }
    if (how.partitions > 0 && !may_cut) {
      std::printf("agreement: no partitions: they need root, ip and "
                  "iptables\n");
      how.partitions = 0;
      how.nodes.own_network = false;
    }
    if (how.full > 0 && ::geteuid() != 0) {
      std::printf("agreement: no full disk: it needs root, for mount\n");
      how.full = 0;
      how.nodes.small_disks = false;
    }
    return examine(how);
  } catch (const std::runtime_error& problem) {
    std::fprintf(stderr, "agreement: %s\n", problem.what());
    return 1;
  }
}
