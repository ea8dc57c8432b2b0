// Settings changed while the store is in use: a namespace is given a policy,
// and then a larger quota, under a thread that goes on writing and reading.
//
//   example_live_settings [segment file]

#include "memory/store.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

using namespace neuroplex;

namespace {

constexpr std::uint64_t quota_bytes = 256 * 1024;

int fail(const failure& what) {
  std::fprintf(stderr, "%s\n", what.to_string().c_str());
  return exit_status(what.code());
}

// A busy machine may take long for anything.
template <class Condition>
bool comes_true(Condition condition) {
  using clock = std::chrono::steady_clock;
  auto until = clock::now() + std::chrono::seconds{60};
  while (!condition() && clock::now() < until)
    std::this_thread::yield();
  return condition();
}

} // namespace

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "/dev/shm/neuroplex-live-settings";
  auto store = memory::store::create(path, {.segment_bytes = 16U << 20});
  if (!store)
    return fail(store.error());
  auto space = store->open_namespace("sessions");
  if (!space)
    return fail(space.error());

  memory::namespace_settings settings;
  settings.quota_bytes = quota_bytes;
  if (auto done = store->configure(*space, settings); !done)
    return fail(done.error());

  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> refused{0};
  std::jthread sessions{[&](const std::stop_token& stop) {
    std::string value;
    for (std::uint64_t i = 0; !stop.stop_requested(); ++i) {
      auto key = "session/" + std::to_string(i);
      auto code = store->set(*space, key, std::string(1000, 'x'));
      ++(code == errc::ok ? stored : refused);
      static_cast<void>(store->get(*space, key, value));
    }
  }};
  if (!comes_true([&] { return refused > 0; }))
    return fail(failure{errc::deadline});
  std::puts("noeviction: at the quota writes are refused");

  // From now on old sessions make room for new ones.
  settings.policy = memory::policy_kind::lru;
  if (auto done = store->configure(*space, settings); !done)
    return fail(done.error());
  auto before = stored.load();
  if (!comes_true([&] { return stored > before + 1000; }))
    return fail(failure{errc::deadline});
  std::puts("lru: writes go on, the oldest sessions go");

  settings.quota_bytes = 2 * quota_bytes;
  if (auto done = store->configure(*space, settings); !done)
    return fail(done.error());
  if (!comes_true([&] {
        return store->namespaces().at(1).block_bytes > quota_bytes * 3 / 2;
      }))
    return fail(failure{errc::deadline});
  std::puts("a larger quota: more of them stay");
  return memory::store::remove(path) ? 0 : fail(failure{errc::io});
}
