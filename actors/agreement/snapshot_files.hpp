// The snapshots of one Raft group as files.
//
// Purpose: keeps the latest snapshot, reads pieces of it for followers, and
// puts together the one that a leader sends. A file is what it is named after
// or is not there: it is written under another name, flushed, and renamed.
//
//   file = magic u64, meta (32-bit length), XXH3 of all that u64, then the
//          bytes whose XXH3 is in the meta
//
// Ownership and threads: refers to a directory that outlives it; one thread at
// a time.
//
// Invariants: `latest` is whole; an older one goes when a newer one is durable.
//
// Failure behaviour: damage is `corrupt`, with the file; at a start the
// newest whole one counts, and what is wrong with newer ones is told.
#pragma once

#include "actors/agreement/frames.hpp"
#include "consensus/raft/types.hpp"
#include "memory/disk_directory.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::agreement {

class snapshot_files {
public:
  /// Looks at what is there. `problems` gets a line for each file passed over.
  static expected<snapshot_files> open(memory::disk_directory& where,
                                       group_id group,
                                       std::vector<std::string>& problems);

  [[nodiscard]] const std::optional<raft::snapshot_meta>&
  latest() const noexcept {
    return latest_;
  }

  /// The bytes of the latest snapshot. `not_found`, `corrupt`.
  [[nodiscard]] expected<std::string> load() const;

  /// Makes a snapshot durable, in any thread that has `where` for itself.
  /// `meta` has bytes and checksum of `state`. Follow with `adopt`.
  static expected<void> write(memory::disk_directory& where, group_id group,
                              const raft::snapshot_meta& meta,
                              std::string_view state);

  /// A durable snapshot is the latest from now on.
  expected<void> adopt(const raft::snapshot_meta& meta);

  /// A piece of snapshot `index`; `not_found` unless it is the latest.
  [[nodiscard]] expected<raft::slice> read(raft::log_index index,
                                           std::uint64_t offset,
                                           std::size_t max_bytes) const;

  /// Keeps a piece of a snapshot that is being received; offset 0 begins anew.
  /// `protocol` when it does not follow the one before.
  expected<void> receive(const raft::snapshot_meta& meta, std::uint64_t offset,
                         std::string_view piece);

  /// Checks what was received, makes it durable and the latest, and answers
  /// its bytes.
  expected<std::string> complete(const raft::snapshot_meta& meta);

  /// Length and checksum of `state`, as a meta names them.
  static void describe(std::string_view state, raft::snapshot_meta& meta);

private:
  snapshot_files(memory::disk_directory& where, group_id group)
    : where_{&where}, group_{group} {
  }

  expected<raft::snapshot_meta> open_file(const std::string& name);
  void forget(raft::log_index before);

  memory::disk_directory* where_;
  group_id group_;
  std::optional<raft::snapshot_meta> latest_;
  std::unique_ptr<memory::disk_file> file_; ///< of the latest
  std::uint64_t state_offset_ = 0;          ///< in that file
  std::optional<raft::snapshot_meta> incoming_;
  std::string received_;
};

} // namespace neuroplex::agreement
