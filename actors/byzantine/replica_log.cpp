#include "actors/byzantine/replica_log.hpp"

#include "consensus/wire.hpp"

#include <xxhash.h>

#include <array>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

namespace neuroplex::byzantine {

namespace {

constexpr std::uint64_t only_group = 1;
constexpr std::string_view file_prefix = "checkpoint-";

// Kinds of records of the log.
constexpr std::uint8_t last_of_write = 1;
constexpr std::uint8_t names_checkpoint = 2;
constexpr std::uint8_t of_whole_state = 4;

// Entries of an epoch in one record.
constexpr std::size_t entries_bytes = std::size_t{4} << 20;

// The log begins anew when it has more segments than that.
constexpr std::size_t segments_kept = 2;

std::string hex(std::uint64_t number) {
  std::array<char, 16> room{};
  auto end =
    std::to_chars(room.data(), room.data() + room.size(), number, 16).ptr;
  return {room.data(), end};
}

std::string name_of(pbft::sequence_number sequence, std::uint64_t checksum) {
  return std::string{file_prefix} + std::to_string(sequence) + "-"
         + hex(checksum);
}

const pbft::checkpoint_record* checkpoint_in(const hybrid::record& what) {
  const auto* inner = std::get_if<pbft::record>(&what);
  return inner != nullptr ? std::get_if<pbft::checkpoint_record>(inner)
                          : nullptr;
}

std::string file_of(const pbft::checkpoint_record& what) {
  std::string bytes;
  pbft::encode_record(pbft::record{what}, bytes);
  return bytes;
}

failure damaged(const memory::disk_directory& where, const std::string& name) {
  return {errc::corrupt, where.where() + "/" + name
                           + ": is not the checkpoint that the log names: this "
                             "node cannot take part any more"};
}

} // namespace

replica_log::replica_log(storage::durable_log log,
                         memory::disk_directory& checkpoints)
  : log_{std::move(log)}, batch_{log_.max_batch_bytes()}, checkpoints_{
                                                            checkpoints} {
}

expected<replica_log::opened>
replica_log::open(std::unique_ptr<memory::disk_directory> where,
                  memory::disk_directory& checkpoints,
                  const storage::log_identity& whose,
                  const storage::log_options& options) {
  struct kept_record {
    storage::log_record head{};
    std::string payload{};
  };
  std::vector<kept_record> records;
  opened result;
  auto log = storage::durable_log::open(
    std::move(where), whose, options,
    [&](const storage::log_record& record, storage::batch_number) {
      records.push_back({record, std::string{record.payload}});
    },
    &result.met);
  if (!log)
    return log.error();
  result.log.reset(new replica_log(std::move(*log), checkpoints));
  for (auto& one : records) {
    one.head.payload = one.payload;
    if (auto read = result.log->read(one.head); !read)
      return read.error();
  }
  result.log->unfinished_.clear();
  result.state = result.log->state_;
  result.log->forget_checkpoints();
  return result;
}

// Records of a write count when its last one is there. One that is started
// anew leaves the end of the one before missing.
expected<void> replica_log::read(const storage::log_record& what) {
  if (what.term == 0)
    unfinished_.clear();
  auto decoded = decode(what);
  if (!decoded)
    return decoded.error();
  if (*decoded)
    unfinished_.push_back(std::move(**decoded));
  if ((what.kind & last_of_write) == 0)
    return {};
  if ((what.kind & of_whole_state) != 0)
    state_ = {};
  for (const auto& one : unfinished_)
    state_.apply(one);
  unfinished_.clear();
  return {};
}

// Nothing for a checkpoint that is gone since a later one took its place.
expected<std::optional<hybrid::record>>
replica_log::decode(const storage::log_record& what) {
  if ((what.kind & names_checkpoint) == 0) {
    auto read = hybrid::decode_record(slice::copy_of(what.payload));
    if (!read)
      return read.error();
    return std::optional<hybrid::record>{std::move(*read)};
  }
  wire_reader in{what.payload};
  auto sequence = in.take<std::uint64_t>();
  auto length = in.take<std::uint64_t>();
  auto checksum = in.take<std::uint64_t>();
  auto name = name_of(sequence, checksum);
  auto file = checkpoints_.open(name, false);
  if (!file && file.code() == errc::not_found && in.complete())
    return std::optional<hybrid::record>{};
  if (!file)
    return file.error();
  std::string bytes(static_cast<std::size_t>(length), '\0');
  auto whole = memory::read_fully(**file, 0, bytes);
  if (!whole)
    return whole.error();
  if (!*whole || XXH3_64bits(bytes.data(), bytes.size()) != checksum)
    return damaged(checkpoints_, name);
  auto read = pbft::decode_record(slice::copy_of(bytes));
  if (!read)
    return damaged(checkpoints_, name);
  return std::optional<hybrid::record>{hybrid::record{std::move(*read)}};
}

expected<std::string> replica_log::keep(const pbft::checkpoint_record& what) {
  auto bytes = file_of(what);
  auto checksum = XXH3_64bits(bytes.data(), bytes.size());
  if (auto kept = memory::replace_file(checkpoints_,
                                       name_of(what.sequence, checksum), bytes);
      !kept)
    return kept.error();
  std::string reference;
  wire_writer out{reference};
  out.put(what.sequence);
  out.put(static_cast<std::uint64_t>(bytes.size()));
  out.put(checksum);
  return reference;
}

expected<void> replica_log::flush(const std::function<bool()>& patience) {
  for (;;) {
    auto number = log_.append(batch_);
    if (number)
      break;
    if (number.code() != errc::no_space || !patience())
      return number.error();
  }
  ++totals_.flushes;
  totals_.bytes += batch_.bytes();
  totals_.segments = log_.segments();
  batch_.clear();
  return {};
}

expected<void> replica_log::add_all(const std::vector<hybrid::record>& records,
                                    std::uint8_t kind,
                                    const std::function<bool()>& patience) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto last = i + 1 == records.size() ? last_of_write : std::uint8_t{0};
    if (auto added = add(records[i], kind | last, i == 0, patience); !added)
      return added;
  }
  return {};
}

expected<void> replica_log::add(const hybrid::record& what, std::uint8_t kind,
                                bool first,
                                const std::function<bool()>& patience) {
  std::string payload;
  if (const auto* state = checkpoint_in(what)) {
    auto reference = keep(*state);
    while (!reference && reference.code() == errc::no_space && patience())
      reference = keep(*state);
    if (!reference)
      return reference.error();
    payload = std::move(*reference);
    kind |= names_checkpoint;
  } else {
    hybrid::encode_record(what, payload);
  }
  const storage::log_record record{.group = only_group,
                                   .kind = kind,
                                   .term = first ? 0U : 1U,
                                   .payload = payload};
  auto code = batch_.add(record);
  if (code == errc::busy) {
    if (auto flushed = flush(patience); !flushed)
      return flushed;
    code = batch_.add(record);
  }
  if (code != errc::ok)
    return failure{code, "pbft: a record of " + std::to_string(payload.size())
                           + " bytes does not fit into a segment of the log"};
  return {};
}

expected<void> replica_log::write(const std::vector<hybrid::disk_write>& writes,
                                  const std::function<bool()>& patience) {
  for (const auto& one : writes)
    if (auto added = add_all(one.records, 0, patience); !added)
      return added;
  if (auto flushed = flush(patience); !flushed)
    return flushed;
  auto had = state_.agreement.checkpoints.size();
  auto has_new = false;
  for (const auto& one : writes)
    for (const auto& record : one.records) {
      has_new = has_new || checkpoint_in(record) != nullptr;
      state_.apply(record);
    }
  totals_.writes += writes.size();
  if (has_new || state_.agreement.checkpoints.size() != had)
    forget_checkpoints();
  return log_.segments() > segments_kept + 1 ? begin_anew(patience)
                                             : expected<void>{};
}

// Writes the state once more, so that no older segment is needed.
expected<void> replica_log::begin_anew(const std::function<bool()>& patience) {
  auto first = log_.last_batch() + 1;
  auto all = hybrid::records_of(state_, entries_bytes);
  if (auto added = add_all(all, of_whole_state, patience); !added)
    return added;
  if (auto flushed = flush(patience); !flushed)
    return flushed;
  log_.keep_from(only_group, first);
  totals_.segments = log_.segments();
  return {};
}

expected<void> replica_log::vouch() {
  auto number = log_.vouch();
  return number ? expected<void>{} : expected<void>{number.error()};
}

// Files of checkpoints that the state does not have any more. One that cannot
// be removed is tried again the next time.
void replica_log::forget_checkpoints() {
  auto names = checkpoints_.list();
  if (!names)
    return;
  for (const auto& name : *names) {
    if (!name.starts_with(file_prefix))
      continue;
    pbft::sequence_number sequence = 0;
    const auto* begin = name.data() + file_prefix.size();
    std::from_chars(begin, name.data() + name.size(), sequence);
    if (!state_.agreement.checkpoints.contains(sequence))
      static_cast<void>(checkpoints_.remove(name));
  }
}

} // namespace neuroplex::byzantine
