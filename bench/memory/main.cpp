// bench_memory: what the shared segment costs, in multiples of a cache miss,
// beside LMDB and oneTBB. README.md in bench/ tells how to read it.
#include "bench/memory/figures.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <signal.h>
#include <unistd.h>

namespace {

using namespace neuroplex::bench;
namespace fs = std::filesystem;

constexpr std::string_view directory_prefix = "neuroplex-bench.";

/// Removes what benchmarks that were killed have left on the tmpfs.
void remove_leftovers(const fs::path& root) {
  std::error_code ignored;
  for (auto& each : fs::directory_iterator{root, ignored}) {
    auto name = each.path().filename().string();
    if (!name.starts_with(directory_prefix))
      continue;
    pid_t pid = 0;
    auto digits = std::string_view{name}.substr(directory_prefix.size());
    auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error == std::errc{} && pid > 0 && ::kill(pid, 0) != 0
        && errno == ESRCH)
      fs::remove_all(each.path(), ignored);
  }
}

/// A directory of our own on the tmpfs, removed when the program ends.
class scratch_directory {
public:
  explicit scratch_directory(const fs::path& root)
    : owner_{::getpid()}, path_{root
                                / (std::string{directory_prefix}
                                   + std::to_string(owner_))} {
    remove_leftovers(root);
    fs::create_directories(path_);
  }

  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;

  ~scratch_directory() {
    std::error_code ignored;
    if (::getpid() == owner_)
      fs::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string path() const {
    return path_.string();
  }

private:
  pid_t owner_;
  fs::path path_;
};

void make_quick(settings& options) {
  options.entries = 1'000'000;
  options.zipf_entries = 200'000;
  options.seconds = 0.1;
  options.rounds = 20'000;
  options.chase_bytes = std::size_t{512} << 20;
}

/// So small that it says nothing about speed, only that all of it runs.
void make_smoke(settings& options) {
  options.entries = 20'000;
  options.zipf_entries = 10'000;
  options.seconds = 0.002;
  options.repetitions = 1;
  options.rounds = 50;
  options.chase_bytes = std::size_t{1} << 20;
}

void measure(const settings& options, const std::vector<std::string>& only,
             second_process* other, const std::string& directory,
             report& results) {
  pointer_chase chase{options.chase_bytes};
  results.yardstick_huge_bytes = anonymous_huge_bytes();
  bench_run run{options, directory, other, chase, measure_ticks(), results};
  auto wanted = [&](std::string_view group) {
    return only.empty()
           || std::find(only.begin(), only.end(), group) != only.end();
  };
  run.yardstick();
  if (wanted("uniform"))
    measure_uniform(run);
  if (wanted("inline"))
    measure_inline(run);
  if (wanted("zipf"))
    measure_zipf(run);
  if (wanted("exchange"))
    measure_exchange(run);
  if (wanted("views"))
    measure_sizes(run);
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Figures of the shared segment, beside LMDB and oneTBB."};
  settings options;
  bool quick = false;
  bool smoke = false;
  bool as_json = false;
  std::uint64_t entries = 0;
  double seconds = 0;
  std::string root = "/dev/shm";
  std::vector<std::string> only;
  app.add_option("--entries", entries, "Entries of the uniform figures")
    ->check(CLI::Range(1'000, 100'000'000));
  app.add_option("--seconds", seconds, "Time for one repetition of one figure")
    ->check(CLI::Range(0.001, 60.0));
  app.add_option("--repetitions", options.repetitions, "Repetitions")
    ->check(CLI::Range(1, 1000));
  app.add_option("--directory", root, "A directory on tmpfs")
    ->check(CLI::ExistingDirectory);
  app.add_option("--only", only, "Groups to measure")
    ->delimiter(',')
    ->check(CLI::IsMember({"uniform", "inline", "zipf", "exchange", "views"}));
  app.add_flag("--quick", quick, "Fewer entries, less time");
  app.add_flag("--smoke", smoke, "A few operations of each kind");
  app.add_flag("--json", as_json, "JSON instead of tables");
  CLI11_PARSE(app, argc, argv);
  if (quick)
    make_quick(options);
  if (smoke)
    make_smoke(options);
  if (entries != 0)
    options.entries = entries;
  if (seconds != 0)
    options.seconds = seconds;
  static scratch_directory scratch{root};
  report results;
  results.about = describe_machine();
  results.load_at_start = load_average();
  results.judged = !smoke;
  auto cpus = usable_cpus();
  // Forked while there is nothing yet to share by accident.
  std::optional<second_process> other;
  if (cpus.size() > 1)
    other.emplace(cpus[1]);
  if (!cpus.empty())
    pin_to_cpu(cpus[0]);
  measure(options, only, other ? &*other : nullptr, scratch.path(), results);
  if (as_json)
    results.print_json();
  else
    results.print_table();
  return 0;
}
