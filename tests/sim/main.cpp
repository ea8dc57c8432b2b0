// The program `sim`: runs scenarios from seeds.
#include "tests/sim/campaign.hpp"
#include "tests/sim/crdt/rounds.hpp"
#include "tests/sim/scenarios.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace neuroplex::sim;

constexpr const char* usage =
  R"(usage: sim [options]
  --scenario NAME    raft, pbft, hybrid or crdt (see --list)
  --seed N           one run
  --seeds A-B        many runs, every 20th twice
  --only KINDS       allow these kinds of faults only: loss,crash or none
  --without KINDS    allow all but these
  --length N         let faults strike for N thousandths of the usual time
  --mistake NAME     make a mistake on purpose in the driver
  --must-fail        pass when a run fails, after as few seeds as it takes
  --failures N       stop after that many failures (3)
  --verbose          print all that happens (one seed)
  --history FILE     write what the clients saw as hist-v1 (one seed)
  --rounds N         rounds of gossip until 1,024 replicas are equal, N runs
  --list             scenarios, kinds of faults, mistakes
)";

struct command_line {
  campaign_settings campaign;
  bool must_fail = false;
  bool verbose = false;
  const char* history = nullptr;
  std::uint64_t rounds = 0; ///< runs to count rounds of gossip in
};

int list() {
  for (const auto& one : all_scenarios()) {
    std::printf("scenario %.*s\n  mistakes: %.*s\n",
                static_cast<int>(one.name.size()), one.name.data(),
                static_cast<int>(one.mistakes.size()), one.mistakes.data());
  }
  std::printf("faults: %s\n", to_string(fault_set::all()).c_str());
  return EXIT_SUCCESS;
}

std::optional<std::uint64_t> number_of(const char*& text) {
  char* end = nullptr;
  const auto value = std::strtoull(text, &end, 10);
  if (end == text) {
    return std::nullopt;
  }
  text = end;
  return value;
}

bool read_seeds(const char* text, campaign_settings& campaign) {
  const auto first = number_of(text);
  if (!first) {
    return false;
  }
  campaign.first_seed = *first;
  campaign.seeds = 1;
  if (*text == '-') {
    ++text;
    const auto last = number_of(text);
    if (!last || *last < *first) {
      return false;
    }
    campaign.seeds = *last - *first + 1;
  }
  return *text == '\0';
}

bool read_number(const char* text, auto& number) {
  const auto value = number_of(text);
  if (!value || *text != '\0') {
    return false;
  }
  number = static_cast<std::remove_reference_t<decltype(number)>>(*value);
  return true;
}

bool read_scenario(std::string_view name, campaign_settings& campaign) {
  const auto* found = find_scenario(name);
  if (found != nullptr) {
    campaign.what = *found;
  }
  return found != nullptr;
}

bool read_mistake(std::string_view name, campaign_settings& campaign) {
  campaign.request.mistake = name;
  return campaign.what.mistakes.find(name) != std::string_view::npos;
}

bool read_faults(const char* text, bool without, fault_set& allowed) {
  const auto kinds = parse_faults(text);
  if (!kinds) {
    return false;
  }
  if (!without) {
    allowed = *kinds;
    return true;
  }
  for (unsigned number = 0; number < fault_count; ++number) {
    if (kinds->has(static_cast<fault>(number))) {
      allowed.remove(static_cast<fault>(number));
    }
  }
  return true;
}

bool read_option(std::string_view name, const char* value,
                 command_line& result) {
  auto& campaign = result.campaign;
  if (name == "--scenario") {
    return read_scenario(value, campaign);
  }
  if (name == "--seed" || name == "--seeds") {
    return read_seeds(value, campaign);
  }
  if (name == "--only" || name == "--without") {
    return read_faults(value, name == "--without", campaign.request.allowed);
  }
  if (name == "--length") {
    return read_number(value, campaign.request.length_ppt);
  }
  if (name == "--rounds") {
    return read_number(value, result.rounds);
  }
  if (name == "--failures") {
    return read_number(value, campaign.most_failures);
  }
  if (name == "--mistake") {
    return read_mistake(value, campaign);
  }
  if (name == "--history") {
    result.history = value;
    campaign.request.keep_history = true;
    return true;
  }
  return false;
}

bool read_flag(std::string_view name, command_line& result) {
  if (name == "--must-fail") {
    result.must_fail = true;
    result.campaign.most_failures = 1;
    return true;
  }
  if (name == "--verbose") {
    result.verbose = true;
    return true;
  }
  return false;
}

bool failure_is_wanted = false;

// A broken promise inside of a component ends the process: say in which run.
void tell_abort(int /*signal*/) {
  std::printf("the process ended itself in seed %llu\n",
              static_cast<unsigned long long>(seed_under_way()));
  std::fflush(stdout);
  std::_Exit(failure_is_wanted ? EXIT_SUCCESS : EXIT_FAILURE);
}

int run_one(command_line& asked) {
  auto& request = asked.campaign.request;
  request.seed = asked.campaign.first_seed;
  request.listener = asked.verbose ? stdout : nullptr;
  const auto result = asked.campaign.what.run(request);
  std::printf("seed %llu: trace %016llx, %.3f s simulated, %llu events\n",
              static_cast<unsigned long long>(request.seed),
              static_cast<unsigned long long>(result.hash),
              static_cast<double>(result.simulated.count()) / 1e9,
              static_cast<unsigned long long>(result.events));
  if (asked.history != nullptr) {
    auto* file = std::fopen(asked.history, "w");
    const auto good =
      file != nullptr && std::fputs(result.history.c_str(), file) >= 0;
    if (file == nullptr || std::fclose(file) != 0 || !good) {
      std::fprintf(stderr, "sim: cannot write %s\n", asked.history);
      return EXIT_FAILURE;
    }
  }
  if (!result.failure.empty()) {
    std::printf("%s\n", result.failure.c_str());
  }
  return result.failure.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_many(const command_line& asked) {
  const auto result = run_campaign(asked.campaign);
  if (!asked.must_fail) {
    print_figures(result);
    return result.passed ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (result.failures == 0) {
    std::printf("not found in %llu seeds\n",
                static_cast<unsigned long long>(result.runs));
    return EXIT_FAILURE;
  }
  std::printf("found after %llu seeds, %.2f s\n",
              static_cast<unsigned long long>(result.runs),
              static_cast<double>(result.spent.count()) / 1e9);
  auto request = asked.campaign.request;
  request.seed = result.first_failing_seed;
  std::printf("  %s\n  %s\n", command_for(asked.campaign.what, request).c_str(),
              asked.campaign.what.run(request).failure.c_str());
  return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv) {
  command_line asked;
  asked.campaign.what = all_scenarios().front();
  for (int number = 1; number < argc; ++number) {
    const std::string_view name = argv[number];
    if (name == "--list") {
      return list();
    }
    if (read_flag(name, asked)) {
      continue;
    }
    if (++number == argc || !read_option(name, argv[number], asked)) {
      std::fprintf(stderr, "sim: cannot use %s\n%s", name.data(), usage);
      return 2;
    }
  }
  if (asked.rounds != 0) {
    return measure_rounds(asked.rounds) ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  failure_is_wanted = asked.must_fail;
  if (std::signal(SIGABRT, tell_abort) == SIG_ERR
      || std::signal(SIGSEGV, tell_abort) == SIG_ERR) {
    return EXIT_FAILURE;
  }
  const auto single = asked.campaign.seeds == 1 && !asked.must_fail;
  if (!single && (asked.verbose || asked.history != nullptr)) {
    std::fprintf(stderr, "sim: --verbose and --history want one --seed\n");
    return 2;
  }
  return single ? run_one(asked) : run_many(asked);
}
