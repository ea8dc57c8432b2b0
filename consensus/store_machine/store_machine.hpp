// The state machine of a Raft group: namespaces of a memory store that change
// by entries of the log alone.
//
// Purpose: executes what the group has agreed on, on every replica alike, and
// each client's command once only. Entries lie in the memory store, so that
// processes of the host read them out of the segment. Beside them, in this
// process: sessions, expiry times and the log's time. All of it is in a
// snapshot.
//
// Ownership and threads: refers to a store that outlives it, and whose
// keys in these namespaces nobody else writes to. One thread at a time.
//
// Invariants:
//  1. The same entries in the same order lead to the same state, the same
//     answers and the same bytes of a snapshot, on any machine at any time. So
//     no clock is read: time is the greatest that the log has said so far, and
//     entries expire when it passes their time.
//  2. A command (session, sequence) is executed once at most.
//  3. A batch is executed as a whole, one operation after the other, with no
//     other command in between. Who reads the segment may see half of it.
//
// Failure behaviour: what a replica cannot carry out although it was agreed
// on (the segment is full, the entry cannot be read) is a failure, after which
// the replica must take no further part.
#pragma once

#include "consensus/store_machine/command.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace neuroplex::store_machine {

struct machine_options {
  /// Sessions remembered, and requests that one may have under way. Part of
  /// the state: snapshots bring the values of whoever made them.
  std::size_t max_sessions = 4'096;
  std::size_t session_window = 65'536;

  /// Which keys are this machine's, where several share namespaces; the same on
  /// all replicas. Empty: all are.
  std::function<bool(std::string_view key)> holds{};

  /// Whether `changes` tells what entries of the log have changed.
  bool notes_changes = false;

  /// Added to the names of namespaces in the store, where two machines have
  /// the same ones.
  std::string suffix{};

  /// Whether namespaces beside those of `begin` are refused (`bad_namespace`),
  /// where commands may come from clients that lie.
  bool fixed_spaces = false;
};

enum class change_kind : std::uint8_t { set, erase, expire };

inline constexpr std::uint8_t change_kind_count =
  static_cast<std::uint8_t>(change_kind::expire) + 1;

/// What became of one key. A lifetime that was given or taken is no change.
struct change {
  change_kind kind = change_kind::set;
  std::string space{};
  std::string key{};
  std::string value{}; ///< after it; of `set` only

  /// The value did not fit into what is noted of one entry of the log.
  bool value_omitted = false;

  friend bool operator==(const change&, const change&) = default;
};

/// What became of one command of an entry.
struct command_answer {
  /// `execute` when it was executed just now.
  raft::session_verdict verdict = raft::session_verdict::execute;
  raft::session_id session = 0; ///< of open_session: the one that was opened
  std::string bytes{};          ///< encoded results
};

class machine {
public:
  machine(memory::store& store, const machine_options& options);

  /// Executes the entry at `index` and answers its commands in their order.
  expected<std::vector<command_answer>> apply(raft::log_index index,
                                              std::string_view bytes);

  /// What the latest `apply` has changed, in order.
  [[nodiscard]] std::vector<change> take_changes() noexcept {
    return std::exchange(changes_, {});
  }

  /// Executes an encoded batch at `time_ms`, and answers with encoded results.
  /// For a group that has sessions of its own, so that each batch comes once.
  expected<std::string> apply_once(std::int64_t time_ms,
                                   std::string_view batch);

  /// Executes operations that change nothing. `bad_argument` for others.
  [[nodiscard]] expected<std::vector<result>>
  read(const std::vector<operation>& operations) const;

  /// Greatest time that the log has said, Unix ms.
  [[nodiscard]] std::int64_t time_ms() const noexcept {
    return time_ms_;
  }

  /// When the next entry expires, in log time; 0: none does.
  [[nodiscard]] std::int64_t next_expiry_ms() const noexcept {
    return by_expiry_.empty() ? 0 : by_expiry_.begin()->first;
  }

  /// Whether this replica can take `batch` (encoded), as far as one can tell
  /// before it is agreed on: nothing may grow in a segment that is nearly full.
  /// For a leader, so that the group never agrees on what would end replicas.
  [[nodiscard]] bool has_room_for(std::string_view batch) const;

  [[nodiscard]] std::size_t sessions() const noexcept {
    return sessions_.size();
  }

  /// The whole state, the same bytes on every replica.
  [[nodiscard]] expected<std::string> save() const;

  /// Puts the state of a snapshot in the place of this one. `corrupt`: `save`
  /// did not write this; then nothing has changed. Any other code: the store
  /// could not take it, and the replica must take no further part.
  expected<void> restore(std::string_view bytes);

  /// Makes these namespaces if there are none, and counts on there being
  /// nothing of this machine's in them (`empty`).
  expected<void> begin(const std::vector<std::string>& spaces);

  /// Removes all that is in these namespaces of a store, for machines that are
  /// about to begin. A segment may hold what an earlier process left in them.
  static expected<void> empty(memory::store& store,
                              const std::vector<std::string>& spaces);

private:
  using place = std::pair<memory::namespace_id, std::string>;

  expected<memory::namespace_id> space_of(std::string_view name);
  [[nodiscard]] const memory::namespace_id*
  known_space(std::string_view name) const;
  expected<void> pass_time(std::int64_t time_ms);
  expected<command_answer> execute(const command& what);
  expected<std::string> execute_batch(std::string_view batch);
  expected<result> execute(const operation& what);
  expected<void> note_change(const operation& what, memory::namespace_id space);
  expected<void> expire_due();
  void set_expiry(const place& where, std::int64_t expires_at_ms);
  [[nodiscard]] std::int64_t expiry_of(const place& where) const;
  [[nodiscard]] bool holds(std::string_view key) const {
    return !holds_ || holds_(key);
  }
  /// Entries of a namespace that are the machine's, in the order of keys.
  expected<std::map<std::string, std::string>>
  entries_of(std::string_view name, memory::namespace_id space,
             bool with_values) const;
  expected<void> clear();

  memory::store& store_;
  std::function<bool(std::string_view key)> holds_;
  bool notes_changes_ = false;
  std::vector<change> changes_;
  std::size_t noted_bytes_ = 0; ///< values in them
  std::string suffix_;
  bool fixed_spaces_;
  bool begun_ = false;
  bool untouched_ = false; ///< nothing was applied or restored since `begin`
  raft::session_table sessions_;
  std::int64_t time_ms_ = 0;
  std::map<std::string, memory::namespace_id, std::less<>> spaces_;
  std::map<place, std::int64_t> expiries_;
  std::set<std::pair<std::int64_t, place>> by_expiry_;
};

} // namespace neuroplex::store_machine
