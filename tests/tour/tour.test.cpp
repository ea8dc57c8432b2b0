// Runs `neuroplex tour` as a process without a terminal and looks at what it
// answers, what it leaves behind, and how it fails when a byte is wrong.
#include "cli/cluster/child_process.hpp"
#include "cli/cluster/scratch_directory.hpp"
#include "memory/eventually.test.hpp"
#include "memory/store.hpp"
#include "memory/temporary_directory.test.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::cli;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using memory::testing::eventually;

constexpr auto patience = 300s; // for a loaded machine under sanitizers
const std::string wordnet = "/usr/share/wordnet";

std::string text_of(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool wordnet_is_installed() {
  if (fs::exists(wordnet + "/data.noun"))
    return true;
  WARN("WordNet is not installed: apt-get install wordnet-base");
  return false;
}

// The first lines of each data file: a small WordNet whose offsets are right.
void write_small_wordnet(const std::string& directory) {
  constexpr int lines = 400;
  fs::create_directory(directory);
  for (const auto* name : {"data.noun", "data.verb", "data.adj", "data.adv"}) {
    std::ifstream from{wordnet + '/' + name};
    std::ofstream to{directory + '/' + name};
    std::string line;
    for (int i = 0; i < lines && std::getline(from, line); ++i)
      to << line << '\n';
  }
}

// One run of the tour, with its standard input in our hand.
class tour_run {
public:
  explicit tour_run(std::vector<std::string> arguments)
    : scratch_{scratch_directory::make(fs::temp_directory_path().string(),
                                       "neuroplex-tour-test-")} {
    REQUIRE(scratch_);
    const auto input = scratch_->path() + "/in";
    REQUIRE(::mkfifo(input.c_str(), 0600) == 0);
    // Read-write, so that neither side waits for the other.
    input_ = ::open(input.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(input_ >= 0);
    arguments.insert(arguments.begin(), {NEUROPLEX_PROGRAM, "tour"});
    // Each run in a place of its own: one that starts removes what killed ones
    // left where it is.
    arguments.insert(arguments.end(), {"--directory", room_.path().string()});
    auto child =
      child_process::start({.arguments = std::move(arguments),
                            .input_path = input,
                            .output_path = scratch_->path() + "/out",
                            .error_path = scratch_->path() + "/err"});
    REQUIRE(child);
    child_.emplace(std::move(*child));
  }

  tour_run(const tour_run&) = delete;
  tour_run& operator=(const tour_run&) = delete;

  ~tour_run() {
    ::close(input_);
  }

  [[nodiscard]] std::string out() const {
    return text_of(scratch_->path() + "/out");
  }

  [[nodiscard]] std::string err() const {
    return text_of(scratch_->path() + "/err");
  }

  child_process& child() {
    return *child_;
  }

  child_exit end() {
    auto ended = child_->wait(patience);
    INFO(out() << err());
    REQUIRE(ended);
    return *ended;
  }

  // Waits for the pause that --pause-after makes; learns what is running.
  void wait_for_pause() {
    REQUIRE(eventually(
      [this] {
        return child_->poll() || out().find("press Enter") != std::string::npos;
      },
      patience));
    INFO(out() << err());
    REQUIRE_FALSE(child_->poll());
    learn(out());
  }

  void press_enter() {
    REQUIRE(::write(input_, "\n", 1) == 1);
  }

  // Takes process ids and the directory from what the tour told.
  void learn(const std::string& text) {
    std::smatch found;
    REQUIRE(std::regex_search(
      text, found,
      std::regex{R"(processes (\d+), (\d+), (\d+) on 127.0.0.1)"}));
    for (std::size_t i = 0; i < nodes.size(); ++i)
      nodes[i] = std::stoi(found[i + 1]);
    REQUIRE(std::regex_search(
      text, found, std::regex{R"(MiB in (\S+/neuroplex-tour-\w+))"}));
    directory = found[1];
  }

  [[nodiscard]] std::string segment(std::size_t node) const {
    const auto text = out();
    std::smatch found;
    REQUIRE(std::regex_search(
      text, found,
      std::regex{"segment of node " + std::to_string(node) + ": (\\S+)"}));
    return found[1];
  }

  void check_nothing_is_left() const {
    for (auto pid : nodes)
      CHECK(eventually(
        [pid] {
          return text_of("/proc/" + std::to_string(pid) + "/cmdline").empty();
        },
        patience));
    CHECK_FALSE(fs::exists(directory));
  }

  std::array<int, 3> nodes{};
  std::string directory;

private:
  memory::testing::temporary_directory room_;
  expected<scratch_directory> scratch_;
  std::optional<child_process> child_;
  int input_ = -1;
};

// A small WordNet for the runs that are about failing.
class small_input {
public:
  small_input()
    : scratch_{scratch_directory::make(fs::temp_directory_path().string(),
                                       "neuroplex-tour-input-")} {
    REQUIRE(scratch_);
    write_small_wordnet(path());
  }

  [[nodiscard]] std::string path() const {
    return scratch_->path() + "/wordnet";
  }

private:
  expected<scratch_directory> scratch_;
};

} // namespace

TEST_CASE("the tour runs to its end without a terminal and answers figures") {
  if (!wordnet_is_installed())
    return;
  tour_run run{{"--output", "json"}};
  const auto ended = run.end();
  INFO(run.err());
  REQUIRE(ended.ok());
  run.learn(run.err());
  run.check_nothing_is_left();
  CHECK(run.err().find('\r') == std::string::npos);
  CHECK(run.err().find('\x1b') == std::string::npos);
  CHECK(run.err().find("Copyright 2006 by Princeton") != std::string::npos);

  const auto figures = nlohmann::json::parse(run.out());
  const auto entries = figures.at("entries").get<std::uint64_t>();
  CHECK(figures.at("input").at("synsets") == 117'659);
  CHECK(figures.at("input").at("senses") == 206'978);
  CHECK(figures.at("input").at("pointers") == 377'592);
  CHECK(figures.at("input").at("pointer_kinds") == 26);
  CHECK(entries == 117'659 + figures.at("input").at("words").get<unsigned>());
  CHECK(figures.at("differences") == 0);
  CHECK(figures.at("compared_in_segments") == 2 * entries);
  CHECK(figures.at("compared_by_messages") == 2 * entries);

  REQUIRE(figures.at("nodes").size() == 3);
  std::uint64_t sum = 0;
  for (const auto& node : figures.at("nodes")) {
    sum += node.at("entries").get<std::uint64_t>();
    // Slots spread keys evenly; a third each, give or take a fifth of that.
    CHECK(node.at("entries").get<double>()
          == Approx(static_cast<double>(entries) / 3).epsilon(0.2));
    for (const auto* name : {"segment_get", "segment_set"}) {
      CHECK(node.at(name).at("samples") == 200'000);
      CHECK(node.at(name).at("p50_ns").get<double>() > 0);
      CHECK(node.at(name).at("p99_ns").get<double>()
            >= node.at(name).at("p50_ns").get<double>());
    }
    CHECK(node.at("message_get").at("p50_us").get<double>() > 1);
    CHECK(node.at("segment_used_bytes").get<std::uint64_t>()
          > node.at("bytes").get<std::uint64_t>());
    CHECK(node.at("segment_used_bytes").get<std::uint64_t>()
          < node.at("segment_bytes").get<std::uint64_t>());
    CHECK(node.at("process_bytes").get<std::uint64_t>() > 1'000'000);
  }
  CHECK(sum == entries);
  CHECK(figures.at("cluster").at("entries") == entries);
  CHECK(figures.at("cluster").at("bytes") == figures.at("bytes"));

  const auto& agreement = figures.at("agreement");
  CHECK(agreement.at("acknowledged").get<std::uint64_t>() > 600);
  CHECK(agreement.at("lost") == 0);
  CHECK(agreement.at("gap_ms").get<std::uint64_t>() < 60'000);
  const auto& partition = figures.at("partition");
  CHECK(partition.at("written_apart").get<std::uint64_t>() > 200);
  CHECK(partition.at("differences") == 0);
  CHECK(partition.at("converged_ms").get<std::uint64_t>() < 60'000);
  // What travels is what was written apart, not the state.
  CHECK(partition.at("bytes_sent").get<std::uint64_t>() > 0);
  CHECK(partition.at("bytes_sent").get<std::uint64_t>() * 4
        < partition.at("state_bytes").get<std::uint64_t>());
  const auto& learnt = figures.at("concept_memory");
  CHECK(learnt.at("concepts") == figures.at("input").at("synsets"));
  CHECK(learnt.at("lost") == 0);
  CHECK(learnt.at("associations").get<std::uint64_t>()
        <= figures.at("input").at("pointers").get<std::uint64_t>());
  for (const auto* which : {"path_at_rest", "path_in_burst", "write_at_rest",
                            "write_in_burst", "staleness"})
    CHECK(learnt.at(which).at("samples").get<std::uint64_t>() > 0);
  const auto& outage = figures.at("outage");
  const auto dead = outage.at("replica_id").get<std::size_t>();
  CHECK(outage.at("unavailable")
        == figures.at("nodes").at(dead - 1).at("entries"));
  CHECK(outage.at("served").get<std::uint64_t>()
          + outage.at("unavailable").get<std::uint64_t>()
        == entries);
  CHECK(outage.at("unavailable_get").at("samples") == 500);
}

TEST_CASE("a byte that rots in a segment makes the tour fail") {
  if (!wordnet_is_installed())
    return;
  small_input input;
  tour_run run{{"--wordnet", input.path(), "--pause-after", "load"}};
  run.wait_for_pause();
  // The gloss of the first synset, wherever it lies.
  const std::string gloss = "perceived or known or inferred to have its own";
  std::size_t places = 0;
  for (std::size_t node = 1; node <= 3; ++node) {
    auto bytes = text_of(run.segment(node));
    auto at = bytes.find(gloss);
    if (at == std::string::npos)
      continue;
    ++places;
    std::fstream file{run.segment(node),
                      std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(static_cast<std::streamoff>(at));
    file.put('P');
  }
  REQUIRE(places >= 1);
  run.press_enter();
  const auto ended = run.end();
  CHECK(ended.status == 4);
  INFO(run.err());
  CHECK(run.err().find("error[E-CORRUPT]: ") != std::string::npos);
  CHECK(run.err().find("synset/n/00001740") != std::string::npos);
  run.check_nothing_is_left();
}

TEST_CASE("a value that was changed makes the tour fail") {
  if (!wordnet_is_installed())
    return;
  small_input input;
  tour_run run{{"--wordnet", input.path(), "--pause-after", "load"}};
  run.wait_for_pause();
  bool changed = false;
  for (std::size_t node = 1; node <= 3; ++node) {
    auto segment = memory::store::open(run.segment(node));
    REQUIRE(segment);
    auto space = segment->find_namespace("wordnet");
    REQUIRE(space);
    changed |= segment->set_if_present(*space, "word/entity", "[]") == errc::ok;
  }
  REQUIRE(changed);
  run.press_enter();
  CHECK(run.end().status == 4);
  INFO(run.err());
  CHECK(run.err().find("\"word/entity\" differs") != std::string::npos);
  run.check_nothing_is_left();
}

TEST_CASE("an interrupt ends the tour with its nodes and files") {
  if (!wordnet_is_installed())
    return;
  small_input input;
  for (int number : {SIGINT, SIGTERM}) {
    tour_run run{{"--wordnet", input.path(), "--pause-after", "load"}};
    run.wait_for_pause();
    ::kill(run.child().pid(), number);
    CHECK(run.end().signal == number);
    run.check_nothing_is_left();
  }
}

TEST_CASE("the nodes of a killed tour die, its files go with the next tour") {
  if (!wordnet_is_installed())
    return;
  small_input input;
  tour_run run{{"--wordnet", input.path(), "--pause-after", "start"}};
  run.wait_for_pause();
  run.child().kill();
  for (auto pid : run.nodes)
    CHECK(eventually(
      [pid] {
        return text_of("/proc/" + std::to_string(pid) + "/cmdline").empty();
      },
      patience));
  REQUIRE(fs::exists(run.directory));
  const fs::path left{run.directory};
  CHECK(
    remove_left_behind(left.parent_path().string(), left.filename().string())
    == 1);
  CHECK_FALSE(fs::exists(left));
}

TEST_CASE("a tour without WordNet says what to install") {
  tour_run run{{"--wordnet", "/nonexistent"}};
  CHECK(run.end().status == 3);
  CHECK(run.err().find("error[E-PATH]: /nonexistent/data.noun: ")
        != std::string::npos);
  CHECK(run.err().find("apt-get install wordnet-base") != std::string::npos);
}
