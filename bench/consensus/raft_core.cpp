// How many entries a second three Raft cores on one thread commit, when network
// and disk cost nothing: what the protocol itself costs.
//
// usage: bench_raft_core [ENTRIES [PER_PROPOSAL [PAYLOAD_BYTES]]]
//
// One line: entries that all three have applied a second of processor time.
#include "consensus/raft/core.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

using namespace neuroplex;
using namespace neuroplex::raft;

constexpr std::size_t node_count = 3;

/// Proposals under way at a time, as clients that wait for their answers.
constexpr std::size_t proposals_under_way = 16;

/// Entries between two snapshots, which keep the logs short.
constexpr log_index snapshot_interval = 65'536;

class bench_group {
public:
  bench_group() {
    configuration members;
    for (node_id id = 1; id <= node_count; ++id)
      members.voters.push_back({id, 0});
    for (node_id id = 1; id <= node_count; ++id) {
      durable_state state;
      state.snapshot.members = members;
      auto made = core::create({.id = id}, std::move(state), raft::time{1});
      NEUROPLEX_ENSURE(static_cast<bool>(made));
      nodes_[id - 1].brain = std::make_unique<core>(*std::move(made));
    }
    turn(1, campaign{});
    settle();
    NEUROPLEX_ENSURE(nodes_[0].brain->state().role == role::leader);
  }

  // Proposes until `count` entries are applied by all.
  void run(std::uint64_t count, std::size_t per_proposal,
           std::size_t payload_bytes) {
    propose batch;
    std::string payload(payload_bytes, 'x');
    auto first = nodes_[0].applied;
    while (nodes_[0].applied < first + count) {
      for (std::size_t i = 0; i < proposals_under_way; ++i) {
        batch.payloads.clear();
        while (batch.payloads.size() < per_proposal)
          batch.payloads.push_back(slice::copy_of(payload));
        nodes_[0].brain->absorb(batch, now_);
      }
      finish(1);
      settle();
    }
    for (int i = 0; i < 2; ++i) {
      now_ += std::chrono::milliseconds{60};
      turn(1, tick{});
      settle();
    }
    for (const auto& one : nodes_)
      NEUROPLEX_ENSURE(one.applied >= first + count);
  }

private:
  struct bench_node {
    std::unique_ptr<core> brain{};
    effects out{};
    std::vector<message> inbox{};
    std::uint64_t applied = 0;
  };

  void turn(node_id id, const input& what) {
    nodes_[id - 1].brain->absorb(what, now_);
    finish(id);
  }

  // One flush for all that was absorbed; the disk is done at once.
  void finish(node_id id) {
    auto& one = nodes_[id - 1];
    for (bool again = true; again;) {
      one.brain->flush(now_, one.out);
      again = one.out.write || !one.out.committed.empty();
      for (auto& what : one.out.messages)
        nodes_[what.to - 1].inbox.push_back(std::move(what));
      if (one.out.write)
        one.brain->absorb(persisted{one.out.write->id}, now_);
      if (!one.out.committed.empty())
        apply(one);
    }
  }

  void apply(bench_node& one) {
    one.applied += one.out.committed.size();
    auto last = one.out.committed.back().index;
    one.brain->absorb(applied{last}, now_);
    if (last / snapshot_interval
        != (last - one.out.committed.size()) / snapshot_interval)
      if (auto meta = one.brain->snapshot_meta_at(last))
        one.brain->absorb(snapshot_taken{*std::move(meta)}, now_);
  }

  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& one : nodes_) {
        if (one.inbox.empty())
          continue;
        busy = true;
        for (auto& what : std::exchange(one.inbox, {}))
          one.brain->absorb(received{std::move(what)}, now_);
        finish(one.brain->settings().id);
      }
    }
  }

  std::array<bench_node, node_count> nodes_;
  raft::time now_{1};
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

} // namespace

int main(int argc, char** argv) {
  auto count = argument(argc, argv, 1, 2'000'000);
  auto per_proposal = argument(argc, argv, 2, 4);
  auto payload_bytes = argument(argc, argv, 3, 100);
  bench_group group;
  group.run(count / 10, per_proposal, payload_bytes);
  auto begin = cpu_seconds();
  group.run(count, per_proposal, payload_bytes);
  auto seconds = cpu_seconds() - begin;
  std::printf("%.0f committed entries a second of processor time (%zu bytes "
              "each, %zu a proposal, %zu "
              "proposals at a time, %zu cores on one thread)\n",
              static_cast<double>(count) / seconds,
              static_cast<std::size_t>(payload_bytes),
              static_cast<std::size_t>(per_proposal), proposals_under_way,
              node_count);
}
