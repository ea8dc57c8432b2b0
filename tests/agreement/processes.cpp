// Agreement among real processes: clients write down what they were told while
// whoever leads is killed or stands still; the history must have an order.
//
//   agreement_processes PROGRAM --nodes N --kills K --pauses P [--history FILE]
//
// PROGRAM is `neuroplex`. Exit status 0: the history is linearizable, every
// node shows the same at the end, and the group went on after each fault.
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
#include <vector>

#include <signal.h>

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
  std::string history;
};

settings read(int argc, char** argv) {
  if (argc < 2)
    fail("usage: agreement_processes PROGRAM [--nodes N] [--kills K] "
         "[--pauses P] [--history FILE]");
  settings all;
  all.program = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--history")
      all.history = argv[i + 1];
    else if (flag == "--nodes")
      all.nodes = std::strtoull(argv[i + 1], nullptr, 10);
    else if (flag == "--kills")
      all.kills = std::strtoull(argv[i + 1], nullptr, 10);
    else if (flag == "--pauses")
      all.pauses = std::strtoull(argv[i + 1], nullptr, 10);
    else
      fail(flag + ": unknown");
  }
  return all;
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
    : program_{how.program}, basp_(how.nodes), resp_(how.nodes),
      processes_(how.nodes) {
    for (std::size_t i = 0; i < how.nodes; ++i)
      start(i);
  }

  void start(std::size_t which) {
    auto home = room_.path() + "/node-" + std::to_string(which + 1);
    std::filesystem::create_directories(home);
    std::vector<std::string> words{
      program_,           "serve",
      "--replica-id",     std::to_string(which + 1),
      "--cluster",        "agreement",
      "--data-dir",       home,
      "--segment-size",   "16M",
      "--port",           std::to_string(basp_[which].number()),
      "--resp-port",      std::to_string(resp_port(which)),
      "--worker-threads", "1",
      "--space",          "default:consistency=linearizable",
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
      auto text = run(program_ + " raft status --timeout 2s --output json "
                      + "--node 127.0.0.1:" + std::to_string(basp_[i].number())
                      + " 2>/dev/null");
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
  static std::string run(const std::string& line) {
    std::string text;
    if (auto* pipe = ::popen(line.c_str(), "r")) {
      char room[4'096];
      while (auto got = std::fread(room, 1, sizeof(room), pipe))
        text.append(room, got);
      ::pclose(pipe);
    }
    return text;
  }

  std::string program_;
  scratch room_;
  std::vector<reserved_port> basp_;
  std::vector<reserved_port> resp_;
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

} // namespace

int main(int argc, char** argv) {
  const auto how = read(argc, argv);
  cluster nodes{how};
  record told;
  std::atomic<bool> ended{false};
  std::vector<std::thread> clients;
  for (std::uint32_t i = 0; i < client_count; ++i)
    clients.emplace_back([&, i] { run_client(i, nodes, told, ended); });
  wait_for_answers(told, answers_between_faults, "the start");
  std::vector<double> gaps_ms;
  for (std::size_t i = 0; i < how.kills; ++i) {
    auto leader = find_leader(nodes);
    nodes.send(leader, SIGKILL);
    gaps_ms.push_back(wait_for_answers(told, 1, "a leader was killed"));
    wait_for_answers(told, answers_between_faults, "a leader was killed");
    nodes.start(leader);
    wait_for_answers(told, answers_between_faults, "it came back");
  }
  for (std::size_t i = 0; i < how.pauses; ++i) {
    auto leader = find_leader(nodes);
    nodes.send(leader, SIGSTOP);
    wait_for_answers(told, answers_between_faults, "a leader was stopped");
    nodes.send(leader, SIGCONT);
    wait_for_answers(told, answers_between_faults, "it went on");
  }
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
