// Bursts of learning and of questions that do not wait for each other: the
// steps of the demonstration in concept memory's first design, with rates.
//
//   learn a chain of concepts, connect them, ask for paths, then do both at
//   once
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/query.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace {

using namespace neuroplex;
using namespace neuroplex::concepts;
using namespace std::chrono_literals;

concept_id numbered(std::uint64_t number) {
  return concept_id::of_name("concept " + std::to_string(number));
}

/// Runs a burst and says how fast it was.
template <class Work>
void burst(const char* name, std::uint64_t count, Work work) {
  auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < count; ++i)
    work(i);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-24s %7llu in %8.2f ms  (%.0f/s)\n", name,
              static_cast<unsigned long long>(count), took.count() * 1e3,
              static_cast<double>(count) / took.count());
}

int run(concurrent_memory& memory) {
  auto follows = memory.types().intern("follows", "comes before");
  if (!follows)
    return 1;
  std::uint64_t refused = 0;
  auto note = [&refused](errc result) {
    refused += result == errc::ok ? 0 : 1;
  };

  burst("learn concepts", 1000, [&](std::uint64_t i) {
    note(memory.learn_concept(numbered(i), {.content = "knowledge"}));
  });
  burst("learn associations", 500, [&](std::uint64_t i) {
    note(memory.learn_association({numbered(i), numbered(i + 1), *follows}));
  });
  // Readers are a few milliseconds behind; who must not be waits once.
  note(memory.flush(10s));

  std::uint64_t paths = 0;
  burst("find paths", 5000, [&](std::uint64_t i) {
    auto now = memory.load("burst");
    auto from = (*now)->find(numbered(i % 600));
    auto to = (*now)->find(numbered(i % 600 + 3));
    if (from && to)
      paths += find_path(**now, *from, *to, {}).best.steps.empty() ? 0 : 1;
  });

  std::thread writer{[&] {
    burst("learn beside readers", 500, [&](std::uint64_t i) {
      note(memory.learn_concept(numbered(1000 + i), {.content = "more"}));
    });
  }};
  std::uint64_t found = 0;
  burst("read beside a writer", 100'000, [&](std::uint64_t i) {
    auto now = memory.load("burst");
    found += find_concept(**now, numbered(i % 1000)) != nullptr ? 1 : 0;
  });
  writer.join();
  note(memory.flush(10s));

  auto stats = memory.stats();
  std::printf("%llu concepts, %llu associations, %llu paths, %llu reads, "
              "%llu refused, %llu dropped\n",
              static_cast<unsigned long long>(stats.concepts),
              static_cast<unsigned long long>(stats.edges),
              static_cast<unsigned long long>(paths),
              static_cast<unsigned long long>(found),
              static_cast<unsigned long long>(refused),
              static_cast<unsigned long long>(stats.write_log.dropped));
  return 0;
}

} // namespace

int main() {
  auto memory = concurrent_memory::make(memory_options::read_latency());
  return memory ? run(**memory) : 1;
}
