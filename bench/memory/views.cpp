#include "bench/memory/views.hpp"

#include "bench/memory/clock.hpp"
#include "bench/memory/store_subject.hpp"

#include <vector>

namespace neuroplex::bench {

namespace {

std::uint64_t sum_of(std::string_view bytes) {
  std::uint64_t result = 0;
  std::uint64_t word = 0;
  while (bytes.size() >= sizeof word) {
    std::memcpy(&word, bytes.data(), sizeof word);
    result += word;
    bytes.remove_prefix(sizeof word);
  }
  return result;
}

template <class Step>
double time_each(double seconds, Step&& step) {
  std::uint64_t rounds = 0;
  std::uint64_t sum = 0;
  double elapsed = 0;
  auto begin = thread_cpu_ns();
  do {
    for (std::uint64_t i = 0; i < view_entries; ++i)
      sum += step(i);
    asm volatile("" : "+r"(sum));
    rounds += view_entries;
    elapsed = thread_cpu_ns() - begin;
  } while (elapsed < seconds * 1e9);
  return elapsed / static_cast<double>(rounds);
}

} // namespace

view_times measure_views(const std::string& path, std::size_t size,
                         double seconds) {
  auto opened = memory::store::open(path);
  if (!opened)
    give_up("views", opened.error().message());
  auto& segment = *opened;
  std::string value(size, 'v');
  std::vector<entry_key> keys;
  for (std::uint64_t i = 0; i < view_entries; ++i) {
    keys.emplace_back(i);
    if (segment.set(default_space, keys.back().view(), value) != errc::ok)
      give_up("views", "cannot store a value");
  }
  auto first_byte = [](std::string_view bytes) {
    return static_cast<std::uint64_t>(bytes.empty() ? 0 : bytes.front());
  };
  auto view = [&](auto&& look) {
    return time_each(seconds, [&](std::uint64_t i) {
      memory::value_view seen;
      if (segment.view(default_space, keys[i].view(), seen) != errc::ok)
        give_up("views", "an entry is missing");
      return look(seen.bytes());
    });
  };
  auto get = [&](auto&& look) {
    return time_each(seconds, [&](std::uint64_t i) {
      if (segment.get(default_space, keys[i].view(), value) != errc::ok)
        give_up("views", "an entry is missing");
      return look(std::string_view{value});
    });
  };
  return {view(first_byte), view(sum_of), get(first_byte), get(sum_of)};
}

} // namespace neuroplex::bench
