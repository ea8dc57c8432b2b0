#include "tests/sim/campaign.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace neuroplex::sim {

namespace {

std::uint64_t present_seed = 0;

nanoseconds processor_time() {
  timespec spent{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return std::chrono::seconds{spent.tv_sec} + nanoseconds{spent.tv_nsec};
}

/// "log matching: node 3 ..." breaks "log matching".
std::string_view property_of(std::string_view failure) {
  return failure.substr(0, failure.find(':'));
}

bool breaks_alike(const scenario& what, const run_request& asked,
                  std::string_view property) {
  return property_of(what.run(asked).failure) == property;
}

void report(const scenario& what, const run_request& asked,
            const run_result& failed) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(asked.seed),
              failed.failure.c_str());
  std::printf("  faults drawn: %s\n", to_string(failed.drawn).c_str());
  std::printf("  repeat: %s\n", command_for(what, asked).c_str());
  const auto least = shrink(what, asked, failed);
  const auto again = what.run(least);
  std::printf("  shrunk: %s\n          %s\n", command_for(what, least).c_str(),
              again.failure.c_str());
  std::fflush(stdout);
}

void tell_difference(std::uint64_t seed, const campaign_settings& settings,
                     campaign_result& result) {
  result.passed = false;
  if (++result.failures == 1) {
    result.first_failing_seed = seed;
    result.first_failure =
      "repetition: two runs differ: something outside of the seed has a say";
  }
  if (settings.most_failures > 1) {
    std::printf("seed %llu: two runs differ: something outside of the seed has "
                "a say\n",
                static_cast<unsigned long long>(seed));
  }
}

} // namespace

std::uint64_t seed_under_way() noexcept {
  return present_seed;
}

std::string command_for(const scenario& what, const run_request& asked) {
  auto text = "sim --scenario " + std::string{what.name} + " --seed "
              + std::to_string(asked.seed);
  if (asked.allowed != fault_set::all()) {
    text += " --only " + to_string(asked.allowed);
  }
  if (asked.length_ppt != run_request{}.length_ppt) {
    text += " --length " + std::to_string(asked.length_ppt);
  }
  if (asked.mistake != "none") {
    text += " --mistake " + asked.mistake;
  }
  return text;
}

run_request shrink(const scenario& what, const run_request& failing,
                   const run_result& failed) {
  const auto property = property_of(failed.failure);
  auto least = failing;
  least.listener = nullptr;
  least.keep_history = false;
  // What was not drawn does nothing.
  least.allowed = failed.drawn;
  if (!breaks_alike(what, least, property)) {
    return failing;
  }
  for (unsigned number = 0; number < fault_count; ++number) {
    auto fewer = least;
    fewer.allowed.remove(static_cast<fault>(number));
    if (fewer.allowed != least.allowed && breaks_alike(what, fewer, property)) {
      least = fewer;
    }
  }
  constexpr std::array<std::uint32_t, 7> lengths{20,  50,  100, 200,
                                                 400, 600, 800};
  for (const auto length : lengths) {
    auto shorter = least;
    shorter.length_ppt = length;
    if (length < least.length_ppt && breaks_alike(what, shorter, property)) {
      return shorter;
    }
  }
  return least;
}

campaign_result run_campaign(const campaign_settings& settings) {
  campaign_result result;
  const auto begin = processor_time();
  nanoseconds reporting{0};
  for (std::uint64_t number = 0;
       number < settings.seeds && result.failures < settings.most_failures;
       ++number) {
    auto asked = settings.request;
    asked.seed = settings.first_seed + number;
    present_seed = asked.seed;
    const auto one = settings.what.run(asked);
    ++result.runs;
    result.hash = mix(result.hash ^ one.hash);
    result.events += one.events;
    result.simulated += one.simulated;
    for (const auto& [name, count] : one.counts) {
      result.counts[name] += count;
    }
    const auto before_report = processor_time();
    if (!one.failure.empty()) {
      result.passed = false;
      if (++result.failures == 1) {
        result.first_failing_seed = asked.seed;
        result.first_failure = one.failure;
      }
      if (settings.most_failures > 1) {
        report(settings.what, asked, one);
      }
    } else {
      result.recoveries_ppt.push_back(one.recovery_ppt);
    }
    reporting += processor_time() - before_report;
    if (asked.seed % settings.repeat_every == 0) {
      ++result.repeated;
      if (settings.what.run(asked).hash != one.hash) {
        tell_difference(asked.seed, settings, result);
      }
    }
    if (settings.on_run && !settings.on_run(result.runs)) {
      break;
    }
  }
  result.spent = processor_time() - begin - reporting;
  if (result.failures == 0 && settings.request.allowed == fault_set::all()
      && result.runs >= seeds_that_reach_everything) {
    std::sort(result.recoveries_ppt.begin(), result.recoveries_ppt.end());
    const auto usual = result.recoveries_ppt[result.runs * 99 / 100];
    if (usual > most_usual_recovery_ppt) {
      result.passed = false;
      result.shortcomings.emplace_back(
        "one run of a hundred took longer than two election timeouts to make "
        "progress again");
    }
    for (const auto& [name, count] : result.counts) {
      if (count == 0 && name.find("undecided") == std::string::npos) {
        result.passed = false;
        result.shortcomings.push_back("no run has reached: " + name);
      }
    }
  }
  return result;
}

void print_figures(const campaign_result& result) {
  const auto seconds = static_cast<double>(result.spent.count()) / 1e9;
  const auto simulated = static_cast<double>(result.simulated.count()) / 1e9;
  std::printf("%llu seeds, %llu failed, %llu ran twice; trace %016llx\n",
              static_cast<unsigned long long>(result.runs),
              static_cast<unsigned long long>(result.failures),
              static_cast<unsigned long long>(result.repeated),
              static_cast<unsigned long long>(result.hash));
  std::printf("%.1f s of processor time, %.0f seeds/s, %.0f s simulated: %.0f "
              "times as fast as the clock; %.2f million events/s\n",
              seconds, static_cast<double>(result.runs) / seconds, simulated,
              simulated / seconds,
              static_cast<double>(result.events) / seconds / 1e6);
  auto sorted = result.recoveries_ppt;
  std::sort(sorted.begin(), sorted.end());
  if (!sorted.empty()) {
    const auto share = [&](std::size_t ppt) {
      return static_cast<double>(sorted[(sorted.size() - 1) * ppt / 1000])
             / 1000;
    };
    std::printf("first success after all was mended, in longest election "
                "timeouts: median %.2f, 99 %% %.2f, 99.9 %% %.2f, most %.2f\n",
                share(500), share(990), share(999), share(1000));
  }
  for (const auto& [name, count] : result.counts) {
    std::printf("%14llu %s\n", static_cast<unsigned long long>(count),
                name.c_str());
  }
  for (const auto& one : result.shortcomings) {
    std::printf("%s\n", one.c_str());
  }
}

} // namespace neuroplex::sim
