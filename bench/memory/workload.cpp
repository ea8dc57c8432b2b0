#include "bench/memory/workload.hpp"

#include "bench/memory/clock.hpp"

#include <algorithm>
#include <cmath>

namespace neuroplex::bench {

namespace {

/// Operations between two looks at the clock: its cost vanishes among them.
constexpr std::uint64_t operations_a_look = 2048;

/// Runs `step` (which does `size` operations and answers how many went wrong)
/// until the time is over.
template <class Step>
sample repeat(double seconds, std::uint64_t size, Step&& step) {
  sample result;
  auto wall = wall_ns();
  auto begin = thread_cpu_ns();
  do {
    for (std::uint64_t i = 0; i < operations_a_look; i += size)
      result.wrong += step();
    result.operations += operations_a_look;
    result.wall_ns = wall_ns() - wall;
  } while (result.wall_ns < seconds * 1e9);
  result.cpu_ns = thread_cpu_ns() - begin;
  return result;
}

} // namespace

std::vector<std::uint32_t> zipf_list(std::uint64_t count, double theta,
                                     std::size_t length) {
  std::vector<double> cumulative(count);
  double sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    sum += 1.0 / std::pow(static_cast<double>(i + 1), theta);
    cumulative[i] = sum;
  }
  std::vector<std::uint32_t> result(length);
  key_order source{count, 7};
  for (auto& number : result) {
    auto point = static_cast<double>(source.random() >> 11) / 0x1p53 * sum;
    auto rank = std::lower_bound(cumulative.begin(), cumulative.end(), point)
                - cumulative.begin();
    // Multiplying by a prime scatters neighbouring ranks over the keys.
    constexpr std::uint64_t prime = 2'654'435'761;
    auto in_range = std::min(static_cast<std::uint64_t>(rank), count - 1);
    number = static_cast<std::uint32_t>(in_range * prime % count);
  }
  return result;
}

bool subject::get_many(std::span<const entry_key> keys,
                       std::span<entry_value> values) {
  bool good = true;
  for (std::size_t i = 0; i < keys.size(); ++i)
    good = get(keys[i], values[i]) && good;
  return good;
}

bool subject::set_many(std::span<const entry_key> keys,
                       std::span<const entry_value> values) {
  bool good = true;
  for (std::size_t i = 0; i < keys.size(); ++i)
    good = set(keys[i], values[i]) && good;
  return good;
}

bool subject::load(std::uint64_t first, std::uint64_t count) {
  entry_value value;
  for (auto i = first; i < first + count; ++i) {
    entry_key key{i};
    value.stamp(key);
    if (!set(key, value))
      return false;
  }
  return true;
}

sample run(subject& target, operation what, key_order order, double seconds) {
  entry_value value;
  std::array<entry_key, batch_size> keys;
  std::array<entry_value, batch_size> values;
  auto choose = [&] {
    for (auto& key : keys)
      key = entry_key{order.next()};
  };
  switch (what) {
    case operation::get_independent:
      return repeat(seconds, 1, [&]() -> std::uint64_t {
        entry_key key{order.next()};
        return target.get(key, value) && value.stamp() == key.words[0] ? 0 : 1;
      });
    case operation::get_dependent:
      return repeat(seconds, 1, [&]() -> std::uint64_t {
        entry_key key{order.next()};
        auto found = target.get(key, value);
        order.depend_on(value.stamp());
        return found && value.stamp() == key.words[0] ? 0 : 1;
      });
    case operation::set:
      return repeat(seconds, 1, [&]() -> std::uint64_t {
        entry_key key{order.next()};
        value.stamp(key);
        return target.set(key, value) ? 0 : 1;
      });
    case operation::get_many:
      return repeat(seconds, batch_size, [&]() -> std::uint64_t {
        choose();
        if (!target.get_many(keys, values))
          return batch_size;
        std::uint64_t wrong = 0;
        for (std::size_t i = 0; i < batch_size; ++i)
          wrong += values[i].stamp() == keys[i].words[0] ? 0 : 1;
        return wrong;
      });
    case operation::set_many:
      return repeat(seconds, batch_size, [&]() -> std::uint64_t {
        choose();
        for (std::size_t i = 0; i < batch_size; ++i)
          values[i].stamp(keys[i]);
        return target.set_many(keys, values) ? 0 : batch_size;
      });
  }
  return {};
}

sample run_inserts(subject& target, std::uint64_t first, std::uint64_t count) {
  sample result;
  entry_value value;
  auto wall = wall_ns();
  auto begin = thread_cpu_ns();
  for (auto i = first; i < first + count; ++i) {
    entry_key key{i};
    value.stamp(key);
    result.wrong += target.set(key, value) ? 0 : 1;
  }
  result.cpu_ns = thread_cpu_ns() - begin;
  result.wall_ns = wall_ns() - wall;
  result.operations = count;
  return result;
}

} // namespace neuroplex::bench
