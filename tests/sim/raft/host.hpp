// One node of a simulated Raft group: core, log, state machine, clients'
// wishes.
//
// Purpose: does for a core what an actor does in production, on a simulated
// machine: carries out effects in any order that is allowed, crashes between
// any two of them, answers clients, takes snapshots. It decides nothing that
// the core should decide.
//
// Threads: none; belongs to the kernel.
//
// Invariants: all that is lost in a crash is in `life`, which ends with it.
//
// Failure: what a correct core can never do fails the run (`raft_invariants`).
// A disk whose durable bytes changed keeps the node down until `replace_disk`.
#pragma once

#include "consensus/raft/core.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/raft/invariants.hpp"
#include "tests/sim/raft/node_files.hpp"
#include "tests/sim/raft/register_map.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace neuroplex::sim {

/// What a driver may do wrong, to see that the checkers see it.
enum class mistake : std::uint8_t {
  none,
  answer_before_sync,     ///< a write is told durable when it was only issued
  install_before_sync,    ///< a snapshot counts before it is durable
  snapshot_lacks_session, ///< a client's command is applied a second time
  forget_vote,            ///< the vote is not read back after a restart
  keep_incarnation,       ///< an emptied disk runs under the old incarnation
};

inline constexpr unsigned mistake_count = 6;

[[nodiscard]] std::string_view name_of(mistake kind) noexcept;

/// How the nodes of one run are set up, beside the core's own options.
struct group_settings {
  raft::options core{};
  std::uint64_t snapshot_every = 1'000; ///< entries
  std::uint64_t segment_bytes = 4'096;  ///< of the durable log
  bool batches = false; ///< several inputs are absorbed, then one flush
  bool messages_first = true;
  bool through_codec = false; ///< messages are encoded and decoded
  bool rare_branches = false;
  mistake wrong = mistake::none;
};

/// A client's wish, and where the answer goes.
struct client_request {
  command asked{};
  std::function<void(reply, raft::node_id leader)> answer;
  /// How far the group had committed when the node was asked.
  raft::log_index committed_before = 0;
};

struct host_counts {
  std::uint64_t messages = 0;
  std::uint64_t snapshots_taken = 0;
  std::uint64_t snapshots_installed = 0;
  std::uint64_t damage_found = 0;
  std::uint64_t stopped_by_disk = 0;
  std::uint64_t batches_logged = 0;
  std::uint64_t disks_replaced = 0;
  std::uint64_t lease_reads = 0;
};

class raft_host {
public:
  raft_host(kernel& world, machine& box, network& links,
            raft_invariants& invariants, const group_settings& settings,
            std::vector<std::unique_ptr<raft_host>>& all);
  raft_host(const raft_host&) = delete;
  raft_host& operator=(const raft_host&) = delete;

  /// Called when the node has become leader, from within its turn.
  std::function<void()> on_elected;
  /// Called when it has committed something for the first time since.
  std::function<void()> on_first_commit;

  /// Node ids count from 1.
  [[nodiscard]] raft::member self() const noexcept {
    return {box_.number() + 1, incarnation_};
  }

  void found_group(const raft::configuration& members) {
    files()->found_group(members);
  }

  void receive(const raft::message& what);
  void serve(const client_request& wish);

  /// An input that no client gave: membership, transfer, campaign.
  void order(raft::input what);

  /// The core, while the node runs.
  [[nodiscard]] const raft::core* node() const noexcept {
    return life_ ? life_->node.get() : nullptr;
  }

  [[nodiscard]] const register_map* state() const noexcept {
    return life_ ? &life_->state : nullptr;
  }

  [[nodiscard]] bool leads() const noexcept {
    return life_ && life_->role == raft::role::leader;
  }

  /// Whether that disk of the node has the entry, or had it when it was lost.
  [[nodiscard]] bool holds_durably(raft::incarnation_number disk,
                                   raft::log_index index,
                                   raft::term_number term) const;

  /// What the newest configuration in its log is, as far as it ran.
  [[nodiscard]] const raft::configuration& members() const noexcept {
    return members_.front();
  }

  /// Damages what is durable, where the damage can be found: a bit, or a write
  /// that landed elsewhere. False if nothing can be damaged now.
  bool rot(dice& thrown);
  bool misdirect(dice& thrown);

  /// Whether rot was placed that no start has found harmless since.
  [[nodiscard]] bool may_be_damaged() const noexcept {
    return rotten_ || damaged_;
  }

  [[nodiscard]] bool is_damaged() const noexcept {
    return damaged_;
  }

  /// A node whose disk failed does nothing until its process starts again.
  void crash_if_stopped();

  /// An empty disk, and so a new incarnation. Not part of the group until it
  /// was added again.
  void replace_disk();

  [[nodiscard]] machine& box() noexcept {
    return box_;
  }

  [[nodiscard]] const host_counts& seen() const noexcept {
    return counts_;
  }

private:
  struct waiting_read {
    client_request wish;
    raft::log_index index;
  };

  struct life {
    std::unique_ptr<node_files> log;
    std::unique_ptr<raft::core> node;
    raft::role role = raft::role::follower; ///< as it last told
    register_map state;
    std::deque<raft::input> inputs;
    bool draining = false;
    nanoseconds armed_for{nanoseconds::max()};
    std::map<raft::request_id, client_request> asked;
    std::map<std::pair<std::uint32_t, std::uint64_t>, client_request> proposed;
    std::vector<waiting_read> reads;
    std::string incoming; ///< snapshot
    raft::log_index incoming_index = 0;
    bool saving = false;
    bool committed_in_office = false;
  };

  [[nodiscard]] std::unique_ptr<node_files> files();
  void boot();
  void begin_node();
  void feed(raft::input what);
  void drain();
  void arm();
  bool carry_out(raft::effects& wanted);
  bool send_all(const std::vector<raft::message>& messages);
  void send(const raft::message& what);
  void check_promise(const raft::message& what);
  bool write(const raft::disk_write& what);
  void written(raft::write_id id, errc code);
  bool apply_all(const std::vector<raft::entry>& entries);
  void told_answer(const raft::answer& what);
  void serve_reads();
  void read_chunk(const raft::chunk_wanted& wanted);
  void store_chunk(const raft::chunk_to_store& chunk);
  void install(const raft::snapshot_meta& meta);
  void installed(const raft::snapshot_meta& meta, std::string_view state);
  void maybe_save();
  void disk_failed();
  void crash_soon();
  [[nodiscard]] bool may_damage() const noexcept;
  bool damaged(bool is, std::string_view how);

  kernel& world_;
  machine& box_;
  network& links_;
  raft_invariants& invariants_;
  group_settings settings_;
  std::vector<std::unique_ptr<raft_host>>& all_;
  dice dice_;
  rarities rare_;
  raft::incarnation_number incarnation_ = 0;
  std::vector<raft::configuration> members_{{}}; ///< the newest first
  std::uint64_t lives_ = 0;
  raft::request_id next_request_ = 1;
  bool rotten_ = false;
  bool damaged_ = false;
  std::unique_ptr<life> life_;
  std::vector<std::unique_ptr<node_files>> lost_; ///< disks, by incarnation
  std::unique_ptr<node_files> left_; ///< what a machine knew when it stopped
  host_counts counts_;
};

} // namespace neuroplex::sim
