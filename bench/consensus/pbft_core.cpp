// How many requests a second four PBFT cores and their clients on one thread
// get through, when network and disk cost nothing: what the protocol costs, and
// what cryptography costs beside it.
//
// usage: bench_pbft_core [REQUESTS [CLIENTS [PAYLOAD_BYTES [REPLICAS]]]]
//
// Each client has one request under way. A line with cheap hashes in the place
// of cryptography, one with MACs by libsodium; and what one use of each costs.
#include "consensus/pbft/client.hpp"
#include "consensus/pbft/core.hpp"
#include "consensus/pbft/sodium_crypto.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <vector>
#include <xxhash.h>

namespace {

using namespace neuroplex;
using namespace neuroplex::pbft;

/// Proves nothing: for the cost of the protocol alone.
class no_crypto final : public crypto {
public:
  [[nodiscard]] digest hash(std::string_view bytes) const override {
    digest result;
    auto hash = XXH3_128bits(bytes.data(), bytes.size());
    std::memcpy(result.bytes.data(), &hash, sizeof hash);
    return result;
  }

  [[nodiscard]] mac_tag authenticate(node_id /*to*/,
                                     std::string_view bytes) const override {
    mac_tag result;
    auto hash = XXH3_64bits(bytes.data(), bytes.size());
    std::memcpy(result.bytes.data(), &hash, sizeof hash);
    return result;
  }

  [[nodiscard]] bool is_authentic(node_id from, std::string_view bytes,
                                  const mac_tag& tag) const override {
    return authenticate(from, bytes) == tag;
  }

  [[nodiscard]] signature sign(std::string_view bytes) const override {
    signature result;
    auto hash = XXH3_64bits(bytes.data(), bytes.size());
    std::memcpy(result.bytes.data(), &hash, sizeof hash);
    return result;
  }

  [[nodiscard]] bool is_signed(node_id /*by*/, std::string_view bytes,
                               const signature& what) const override {
    return sign(bytes) == what;
  }
};

using key_maker = std::shared_ptr<const crypto> (*)(
  node_id id, const std::map<node_id, public_key>& all);

secret_seed seed_of(node_id id) {
  secret_seed seed;
  std::memcpy(seed.bytes.data(), &id, sizeof id);
  return seed;
}

std::shared_ptr<const crypto>
cheap_keys(node_id /*id*/, const std::map<node_id, public_key>& /*all*/) {
  return std::make_shared<no_crypto>();
}

std::shared_ptr<const crypto>
sodium_keys(node_id id, const std::map<node_id, public_key>& all) {
  return *sodium_crypto::make(seed_of(id), all);
}

class bench_group {
public:
  bench_group(std::size_t replicas, std::size_t clients,
              std::size_t payload_bytes, key_maker keys)
    : operation_{slice::copy_of(std::string(payload_bytes, 'x'))} {
    std::map<node_id, public_key> all;
    for (node_id id = 1; id <= replicas + clients; ++id)
      all[id] = *public_key_of(seed_of(id));
    options settings;
    settings.faults = (replicas - 1) / 3;
    for (node_id id = 1; id <= replicas; ++id)
      settings.replicas.push_back(id);
    nodes_.resize(replicas);
    for (node_id id = 1; id <= replicas; ++id) {
      settings.id = id;
      nodes_[id - 1].brain = std::make_unique<core>(
        *core::create(settings, keys(id, all), {}, now_));
    }
    for (std::size_t i = 0; i < clients; ++i) {
      settings.id = replicas + 1 + i;
      clients_.push_back({std::make_unique<client>(*client::create(
                            settings, keys(settings.id, all), 1)),
                          {}});
    }
  }

  // Until `count` more requests are answered.
  void run(std::uint64_t count) {
    auto end = answered_ + count;
    while (answered_ < end) {
      for (auto& one : clients_)
        if (!one.brain->is_busy())
          turn_client([&](client_effects& out) {
            one.brain->invoke(operation_, false, now_, out);
          });
      for (std::size_t i = 0; i < nodes_.size(); ++i)
        finish(i);
      for (auto& one : clients_)
        for (auto& what : std::exchange(one.inbox, {}))
          turn_client(
            [&](client_effects& out) { one.brain->receive(what, now_, out); });
    }
  }

private:
  struct bench_node {
    std::unique_ptr<core> brain{};
    effects out{};
    std::vector<packet> inbox{};
  };

  struct bench_client {
    std::unique_ptr<client> brain{};
    std::vector<packet> inbox{};
  };

  template <class Act>
  void turn_client(Act act) {
    client_effects out;
    act(out);
    answered_ += out.result ? 1 : 0;
    for (auto& what : out.packets)
      deliver(std::move(what));
  }

  void deliver(packet what) {
    auto place = what.to - 1;
    if (place < nodes_.size())
      nodes_[place].inbox.push_back(std::move(what));
    else
      clients_[place - nodes_.size()].inbox.push_back(std::move(what));
  }

  // One flush for all that came in; disk and state machine are done at once.
  void finish(std::size_t place) {
    auto& one = nodes_[place];
    for (auto& what : std::exchange(one.inbox, {}))
      one.brain->absorb(received{std::move(what)}, now_);
    for (bool again = true; again;) {
      one.brain->flush(now_, one.out);
      again = one.out.write || !one.out.executions.empty();
      for (auto& what : one.out.packets)
        deliver(std::move(what));
      if (one.out.write)
        one.brain->absorb(persisted{one.out.write->id}, now_);
      for (const auto& what : one.out.executions) {
        executed done{what.sequence, {}, {}};
        done.results.resize(what.requests.size());
        one.brain->absorb(done, now_);
      }
    }
  }

  slice operation_;
  std::vector<bench_node> nodes_;
  std::vector<bench_client> clients_;
  std::uint64_t answered_ = 0;
  pbft::time now_{1};
};

/// The thread's own time: other load disturbs it less.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec)
         + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::uint64_t argument(int argc, char** argv, int at, std::uint64_t otherwise) {
  return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
}

template <class Act>
double microseconds_each(int times, Act act) {
  auto begin = cpu_seconds();
  for (int i = 0; i < times; ++i)
    act();
  return (cpu_seconds() - begin) * 1e6 / times;
}

void print_costs() {
  std::map<node_id, public_key> all{{1, *public_key_of(seed_of(1))},
                                    {2, *public_key_of(seed_of(2))}};
  auto keys = sodium_keys(1, all);
  auto other = sodium_keys(2, all);
  std::string text(128, 'x');
  auto by = keys->sign(text);
  auto good = true;
  auto mac = microseconds_each(100'000, [&] {
    good = good && keys->authenticate(2, text) == keys->authenticate(2, text);
  });
  auto hash = microseconds_each(
    100'000, [&] { good = good && keys->hash(text) == keys->hash(text); });
  auto sign =
    microseconds_each(2'000, [&] { good = good && keys->sign(text) == by; });
  auto verify = microseconds_each(
    2'000, [&] { good = good && other->is_signed(1, text, by); });
  std::printf("of 128 bytes: MAC %.2f us, hash %.2f us, signature %.1f us, its "
              "check %.1f us%s\n",
              mac / 2, hash / 2, sign, verify, good ? "" : " (WRONG)");
}

} // namespace

int main(int argc, char** argv) {
  auto count = argument(argc, argv, 1, 400'000);
  auto clients = argument(argc, argv, 2, 256);
  auto payload_bytes = argument(argc, argv, 3, 100);
  auto replicas = argument(argc, argv, 4, 4);
  struct mode {
    const char* name;
    key_maker keys;
  };
  for (auto one : {mode{"without cryptography", cheap_keys},
                   mode{"with MACs", sodium_keys}}) {
    bench_group group{replicas, clients, payload_bytes, one.keys};
    // The first requests of a client are signed.
    group.run(clients * 20);
    auto begin = cpu_seconds();
    group.run(count);
    auto seconds = cpu_seconds() - begin;
    std::printf("%.0f requests a second of processor time %s (%zu bytes each, "
                "%zu clients, %zu replicas and the clients on one thread)\n",
                static_cast<double>(count) / seconds, one.name,
                static_cast<std::size_t>(payload_bytes),
                static_cast<std::size_t>(clients),
                static_cast<std::size_t>(replicas));
  }
  print_costs();
}
