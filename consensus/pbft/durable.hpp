// What a replica must remember over a crash.
//
// Purpose: the records that the core wants written, and the state that they add
// up to. A driver keeps records in the order of their writes, by any means, and
// gives the sum back at the next start.
//
// Threads: plain values.
//
// Invariants:
//  1. A write is a unit: all of its records or none.
//  2. `durable_state::apply` of all records, in order, is the state; of a
//  longer
//     past that a later checkpoint covers, nothing remains.
//
// Failure behaviour: `decode_record` refuses what is not exactly one record
// with `errc::protocol`. Checksums are the driver's business.
#pragma once

#include "consensus/pbft/message.hpp"
#include "memory/status.hpp"

#include <map>
#include <optional>
#include <variant>

namespace neuroplex::pbft {

/// Nothing is done in views below.
struct view_record {
  view_number view = 0;
  bool active = true;
  slice new_view{}; ///< how it began, encoded; nothing if it has not, or is 0

  friend bool operator==(const view_record&, const view_record&) = default;
};

/// Pre-prepared: comes before the prepare.
struct accepted_record {
  claim what{};
  slice requests{}; ///< encoded batch

  friend bool operator==(const accepted_record&,
                         const accepted_record&) = default;
};

/// Prepared: comes before the commit.
struct prepared_record {
  claim what{};

  friend bool operator==(const prepared_record&,
                         const prepared_record&) = default;
};

/// Executed without having been accepted here: comes before the replies.
struct executed_record {
  sequence_number sequence = 0;

  friend bool operator==(const executed_record&,
                         const executed_record&) = default;
};

/// The state after `sequence`: comes before the message that says so.
struct checkpoint_record {
  sequence_number sequence = 0;
  std::vector<slice> pieces{};

  friend bool operator==(const checkpoint_record&,
                         const checkpoint_record&) = default;
};

/// A quorum has that state; what is below may go.
struct stable_record {
  stable_proof proof{};

  friend bool operator==(const stable_record&, const stable_record&) = default;
};

using record = std::variant<view_record, accepted_record, prepared_record,
                            checkpoint_record, stable_record, executed_record>;

/// One unit for the disk, in the order of ids.
struct disk_write {
  write_id id = 0;
  std::vector<record> records{};
};

/// What is remembered of one sequence number.
struct durable_slot {
  std::vector<claim> pre_prepared{}; ///< a digest once, in its latest view
  std::optional<claim> prepared{};   ///< in the latest view
  std::map<digest, slice> batches{};
};

struct durable_state {
  view_record view{};
  std::map<sequence_number, durable_slot> slots{};
  std::map<sequence_number, std::vector<slice>> checkpoints{};
  stable_proof stable{};
  /// At least up to here clients may have seen what this replica executed.
  sequence_number executed = 0;

  void apply(const record& what);
};

/// Records that add up to the state, for a disk that begins anew with them.
[[nodiscard]] std::vector<record> records_of(const durable_state& state);

/// Keeps a digest's latest view, and of the digests those of the latest views.
void note_pre_prepared(std::vector<claim>& claims, const claim& what);

void encode_record(const record& what, std::string& out);
[[nodiscard]] expected<record> decode_record(const slice& bytes);

} // namespace neuroplex::pbft
