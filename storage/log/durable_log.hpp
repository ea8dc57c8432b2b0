// A write-ahead log that all groups of a node share.
//
// Purpose: what consensus must not forget. Records of many groups are gathered
// into a batch, which becomes durable as one unit with one flush. The log lies
// in segments of a fixed size that are used again once no group needs them, so
// that a flush carries data only, and never the size of a file.
//
// Ownership and threads: one thread at a time; the log owns its directory, and
// keeps other processes out of it. A `log_batch` may be filled by another
// thread while the log appends one.
//
// Invariants:
//  1. When `append` answers, its batch is durable, and so is every one before.
//  2. After a start, all batches that `append` answered for are read back, in
//     order; perhaps also the one that was under way, whole.
//  3. A batch is read back as a whole or not at all.
//
// Failure behaviour: after a failed write or flush what the disk holds is
// unknown, and the log takes nothing more until it is opened again; a flush is
// never repeated. `no_space` before anything was written leaves the log as it
// was. At a start, a torn tail is cut off and told, and the batch before it is
// written once more, since a flush of it may have failed; damage that a later
// batch vouches against, a missing segment, or another node's log is refused,
// and nothing is changed. Damage to the last batch of all cannot be told from a
// torn tail: an empty batch after it (`vouch`) makes that so.
#pragma once

#include "memory/disk_directory.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::storage {

/// Whose log it is.
struct log_identity {
  std::array<std::uint8_t, 16> cluster{};
  std::uint64_t node = 0;

  friend bool operator==(const log_identity&, const log_identity&) = default;
};

struct log_options {
  /// Of each segment, 4 KiB to 4 GiB. A segment keeps the size it was made
  /// with.
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  /// Segments that nobody needs any more and that are kept to be used again.
  unsigned spare_segments = 2;
  /// Chance for the salts of segments; take it from the system.
  std::uint64_t seed = 0;
};

/// Number of a batch; the first is 1.
using batch_number = std::uint64_t;

/// What stands in the log. Kinds, terms and indexes mean what the caller says.
struct log_record {
  std::uint64_t group = 0;
  std::uint8_t kind = 0;
  std::uint64_t term = 0;
  std::uint64_t index = 0;
  std::string_view payload{};
};

/// What a record with such a payload takes of a batch.
[[nodiscard]] std::size_t record_bytes(std::size_t payload_bytes) noexcept;

/// Records that are to become durable at once.
class log_batch {
public:
  /// A batch of up to `max_bytes`, heads of records included.
  explicit log_batch(std::uint64_t max_bytes) : max_bytes_{max_bytes} {
  }

  /// Copies a record in. `value_size`: larger than a whole batch; `busy`: no
  /// room is left in this one.
  [[nodiscard]] errc add(const log_record& record);

  [[nodiscard]] bool empty() const noexcept {
    return records_ == 0;
  }

  [[nodiscard]] std::uint32_t records() const noexcept {
    return records_;
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return bytes_.size();
  }

  /// How many bytes of records may still be added.
  [[nodiscard]] std::uint64_t room() const noexcept {
    return max_bytes_ - bytes_.size();
  }

  /// Its memory is used again.
  void clear() noexcept {
    bytes_.clear();
    groups_.clear();
    records_ = 0;
  }

private:
  friend class durable_log;

  std::uint64_t max_bytes_;
  std::string bytes_;
  std::vector<std::uint64_t> groups_; ///< each once, mostly
  std::uint32_t records_ = 0;
};

/// What was met when a log was opened.
struct log_recovery {
  std::uint64_t segments = 0;
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t cut_bytes = 0; ///< of a batch that never became durable
};

class durable_log {
public:
  /// Told of each record in order, with its batch. The payload lives until it
  /// returns.
  using visitor = std::function<void(const log_record&, batch_number)>;

  /// Opens the log of `whose` in `where`, or begins one in an empty directory.
  /// `locked`: another process has it; `config`: options out of range, or the
  /// log of another node or cluster; `version`: written by a newer release;
  /// `corrupt`: damage, with file and offset; `no_space`, `io`.
  static expected<durable_log>
  open(std::unique_ptr<memory::disk_directory> where, const log_identity& whose,
       const log_options& options, const visitor& tell,
       log_recovery* met = nullptr);

  durable_log(durable_log&&) noexcept = default;
  durable_log& operator=(durable_log&&) noexcept = default;

  /// Writes a batch, perhaps an empty one, and waits until it is durable.
  /// `value_size`: larger than a segment holds; `no_space`: nothing was
  /// written, try again when there is room; `io`: the log is of no use any
  /// more.
  expected<batch_number> append(const log_batch& batch);

  /// Writes an empty batch, which vouches for the one before. To be called when
  /// the log is idle, and before it is closed.
  expected<batch_number> vouch() {
    return append(log_batch{0});
  }

  /// The records of a group in batches before `first` are not needed any more.
  /// Until it is said, a group needs all from its first record on.
  void keep_from(std::uint64_t group, batch_number first);

  /// None of a group's records is needed any more.
  void forget(std::uint64_t group);

  /// Groups that need the oldest segment, so that it cannot be used again. Who
  /// is idle appends what he needs once more, and keeps from there.
  [[nodiscard]] std::vector<std::uint64_t> laggards() const;

  /// The largest batch that a segment holds.
  [[nodiscard]] std::uint64_t max_batch_bytes() const noexcept;

  [[nodiscard]] batch_number last_batch() const noexcept {
    return next_batch_ - 1;
  }

  [[nodiscard]] std::size_t segments() const noexcept {
    return segments_.size();
  }

  [[nodiscard]] bool failed() const noexcept {
    return failed_;
  }

private:
  struct segment {
    std::uint64_t number = 0;
    batch_number first_batch = 0;
    std::uint64_t salt = 0;
    std::uint64_t bytes = 0;
  };

  durable_log(std::unique_ptr<memory::disk_directory> where,
              const log_identity& whose, const log_options& options);

  expected<void> recover(const visitor& tell, log_recovery& found);
  expected<void> remove_spares(const std::vector<std::string>& names);
  expected<void> begin_segment();
  expected<std::unique_ptr<memory::disk_file>>
  blank_file(const std::string& name);
  void release_segments();
  [[nodiscard]] batch_number first_needed() const noexcept;
  [[nodiscard]] std::uint64_t next_salt() noexcept;
  failure give_up(const failure& why);

  std::unique_ptr<memory::disk_directory> where_;
  log_identity whose_;
  log_options options_;
  std::vector<segment> segments_; ///< oldest first; the last is written to
  std::vector<std::string> spares_;
  std::unique_ptr<memory::disk_file> file_;
  std::uint64_t end_ = 0;       ///< of what the last segment holds
  std::uint64_t next_file_ = 1; ///< number of the next segment
  batch_number next_batch_ = 1;
  std::map<std::uint64_t, batch_number> needed_from_;
  std::string buffer_;
  std::uint64_t salt_state_ = 0;
  bool failed_ = false;
};

} // namespace neuroplex::storage
