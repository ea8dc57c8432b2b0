// Explores the interleavings of the store's algorithms.
//
// museum [--scenario NAME] [--dose PERCENT] [--seed N] [--must-fail]
//        [--replay ANSWERS] [--sequential] [--list]
//
// Each scenario is first searched within its bounds, then sampled from seeds.
// A failure is told with the answers that repeat it: --scenario NAME --replay
// ANSWERS, which also prints every access. With --sequential no load returns an
// old value, as if all processors saw one memory. With --must-fail a failure is
// what is wanted (of a mutant). Exit: 0 as wanted, 1 not, 2 wrong use.
#include "tests/museum/scenarios.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

using namespace neuroplex;
using namespace neuroplex::museum;

namespace {

struct settings {
  std::string only;
  std::uint64_t percent = 100;
  std::uint64_t seed = 1;
  bool must_fail = false;
  bool sequential = false;
  bool list = false;
  std::optional<schedule::plan> answers;
};

[[noreturn]] void usage(std::string_view wrong) {
  std::fprintf(stderr,
               "museum: %.*s\nusage: museum [--scenario NAME] [--dose "
               "PERCENT] [--seed N] [--must-fail] [--replay ANSWERS] "
               "[--sequential] [--list]\n",
               static_cast<int>(wrong.size()), wrong.data());
  std::exit(2);
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] =
    std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    usage(text);
  return value;
}

settings parse(int argc, char** argv) {
  settings result;
  for (int i = 1; i < argc; ++i) {
    std::string_view flag = argv[i];
    auto value = [&]() -> std::string_view {
      if (++i == argc)
        usage(flag);
      return argv[i];
    };
    if (flag == "--scenario")
      result.only = value();
    else if (flag == "--dose")
      result.percent = number(value());
    else if (flag == "--seed")
      result.seed = number(value());
    else if (flag == "--must-fail")
      result.must_fail = true;
    else if (flag == "--sequential")
      result.sequential = true;
    else if (flag == "--list")
      result.list = true;
    else if (flag == "--replay") {
      result.answers = schedule::parse_plan(value());
      if (!result.answers)
        usage(argv[i]);
    } else
      usage(flag);
  }
  return result;
}

/// A scenario with its segment.
class exhibit {
public:
  explicit exhibit(const scenario& what)
    : what_{what}, world_{make_world(what.pages, what.index_groups)} {
    what_.prepare(*world_);
    world_->remember();
  }

  /// Plays it once.
  std::string operator()(schedule::chooser& decide) {
    world_->restore();
    for (const auto& each : what_.roles)
      world_->threads().add([this, &each] { each.body(*world_); }, each.mortal);
    auto wrong =
      world_->threads().run(decide, what_.most_steps, what_.modelled);
    return wrong.empty() ? world_->judge() : wrong;
  }

  void trace() {
    world_->threads().trace(
      [this](std::uint32_t offset) { return world_->describe(offset); });
  }

  [[nodiscard]] std::size_t shared() const {
    return world_->threads().shared_count();
  }

private:
  const scenario& what_;
  std::unique_ptr<world> world_;
};

/// Searches and samples; answers what was found.
schedule::summary explore(const scenario& what, const settings& how) {
  exhibit play{what};
  auto within = what.within;
  within.most_runs = within.most_runs * how.percent / 100;
  if (how.sequential)
    within.spells = 0;
  schedule::dangers dangers{.deaths = what.deaths, .spells = !how.sequential};
  auto run = [&](schedule::chooser& decide) { return play(decide); };
  // Some samples first: they show which locations are shared, which is where
  // the search tries to switch.
  constexpr std::size_t first_samples = 500;
  auto samples = what.samples * how.percent / 100;
  auto result =
    schedule::sample(run, how.seed, std::min(samples, first_samples), dangers);
  constexpr int most_searches = 3;
  for (int i = 0; i < most_searches && !result.found; ++i) {
    auto shared = play.shared();
    auto searched = schedule::search(run, within);
    result.runs += searched.runs;
    result.complete = searched.complete;
    result.found = searched.found;
    if (play.shared() == shared)
      break;
  }
  if (!result.found && samples > first_samples) {
    auto sampled = schedule::sample(run, how.seed + first_samples,
                                    samples - first_samples, dangers);
    result.runs += sampled.runs;
    result.found = sampled.found;
  }
  return result;
}

/// Answers whether the scenario failed.
bool show(const scenario& what, const settings& how) {
  auto begin = std::chrono::steady_clock::now();
  auto result = explore(what, how);
  auto seconds =
    std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
      .count();
  std::printf("%-28s %8zu runs, all with %u deviations, %6.1f s%s\n",
              what.name.c_str(), result.runs, result.complete, seconds,
              result.found ? ": FAILS" : "");
  if (result.found) {
    std::printf("  %s\n", result.found->what.c_str());
    if (result.found->seed)
      std::printf("  seed %llu\n",
                  static_cast<unsigned long long>(*result.found->seed));
    std::printf("  again: --scenario %s --replay %s\n", what.name.c_str(),
                schedule::to_text(result.found->answers).c_str());
  }
  std::fflush(stdout);
  return result.found.has_value();
}

} // namespace

int main(int argc, char** argv) {
  auto how = parse(argc, argv);
  bool any = false;
  bool failed = false;
  for (const auto& each : all_scenarios()) {
    if (!how.only.empty() && each.name != how.only)
      continue;
    any = true;
    if (how.list) {
      std::printf("%-28s %s\n", each.name.c_str(), each.sentence.c_str());
    } else if (how.answers) {
      exhibit play{each};
      play.trace();
      auto wrong = schedule::replay(
        [&](schedule::chooser& decide) { return play(decide); }, *how.answers);
      std::printf("%s: %s\n", each.name.c_str(),
                  wrong.empty() ? "good" : wrong.c_str());
      failed = failed || !wrong.empty();
    } else {
      failed = show(each, how) || failed;
    }
  }
  if (!any)
    usage("no such scenario");
  if (how.must_fail)
    std::printf(failed ? "caught\n" : "NOT CAUGHT\n");
  return failed == how.must_fail ? 0 : 1;
}
