#include "tests/sim/raft/node_files.hpp"

#include "consensus/raft/codec.hpp"
#include "consensus/wire.hpp"

#include <utility>

#include <xxhash.h>

namespace neuroplex::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t our_group = 1;
constexpr auto retry_when_full = 20ms;
/// What is not durable yet does not have the name of a snapshot.
constexpr const char* unfinished_snapshot = "unfinished";

std::string snapshot_name(raft::log_index index) {
  const auto digits = std::to_string(index);
  return "snapshot." + std::string(10 - digits.size(), '0') + digits;
}

std::string pack_snapshot(const stored_snapshot& taken) {
  std::string body;
  wire_writer out{body};
  out.put_bytes(raft::encode_snapshot_meta(taken.meta).view());
  out.put_bytes(taken.state);
  std::string file;
  wire_writer whole{file};
  whole.put(std::uint64_t{XXH3_64bits(body.data(), body.size())});
  whole.put_bytes(body);
  return file;
}

std::optional<stored_snapshot> unpack_snapshot(const disk::bytes& bytes) {
  wire_reader file{{reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
  const auto checksum = file.take<std::uint64_t>();
  const auto body = file.take_bytes(bytes.size());
  if (file.failed() || XXH3_64bits(body.data(), body.size()) != checksum) {
    return std::nullopt;
  }
  wire_reader in{body};
  auto meta = raft::decode_snapshot_meta(in.take_bytes(body.size()));
  if (!meta) {
    return std::nullopt;
  }
  return stored_snapshot{*std::move(meta),
                         std::string{in.take_bytes(body.size())}};
}

} // namespace

void node_files::found_group(const raft::configuration& members) {
  stored_snapshot first;
  first.meta.members = members;
  const auto text = pack_snapshot(first);
  const auto bytes = std::as_bytes(std::span{text.data(), text.size()});
  box_.storage().prepare(snapshot_name(0), {bytes.begin(), bytes.end()});
}

void node_files::load_snapshots() {
  for (const auto& name : box_.storage().list()) {
    if (name.starts_with(unfinished_snapshot)) {
      box_.storage().remove(name);
    }
    if (name.starts_with("snapshot.")) {
      // The names are sorted, so that the newest comes last.
      if (auto taken = unpack_snapshot(box_.storage().read(name))) {
        snapshot_ = std::move(*taken);
      }
    }
  }
}

node_files::found node_files::load() {
  load_snapshots();
  expected<void> read{};
  auto log = storage::durable_log::open(
    box_.storage().open_directory(), {{}, box_.number() + 1U},
    {.segment_bytes = segment_bytes_,
     .spare_segments = static_cast<unsigned>(dice_.below(3)),
     .seed = dice_.next()},
    [&](const storage::log_record& record, storage::batch_number batch) {
      if (read) {
        read = image_.read(record, batch);
      }
    });
  if (!log) {
    problem_ = log.error().message();
    return log.error().code() == errc::io ? found::failed : found::damaged;
  }
  if (read) {
    read = image_.check();
  }
  if (read && image_.base() > snapshot_.meta.index) {
    read = failure{errc::corrupt, "the snapshot is gone"};
  }
  if (!read) {
    problem_ = read.error().message();
    return found::damaged;
  }
  log_.emplace(*std::move(log));
  batch_ = storage::log_batch{log_->max_batch_bytes()};
  return found::whole;
}

raft::durable_state node_files::state() const {
  return {image_.hard(),
          snapshot_.meta,
          {image_.entries().begin(), image_.entries().end()}};
}

void node_files::store(const raft::disk_write& write) {
  waiting_.push_back(write);
  if (!busy_) {
    gather();
  }
}

void node_files::gather() {
  batch_.clear();
  pieces_.clear();
  ends_.clear();
  while (!waiting_.empty()) {
    auto& next = waiting_.front();
    if (!batch_.empty() && raft::record_bytes(next) > batch_.room()) {
      break;
    }
    auto piece = raft::next_piece(next, batch_.room());
    NEUROPLEX_ENSURE(static_cast<bool>(piece));
    image_.add_to(batch_, *piece);
    pieces_.push_back(*std::move(piece));
    if (!next.entries.empty()) {
      break;
    }
    ends_.push_back(next.id);
    waiting_.pop_front();
  }
  // An idle log says so now and then, which vouches for the last batch.
  if (!batch_.empty() || dice_.below(8) == 0) {
    append();
  }
}

void node_files::append() {
  busy_ = true;
  const auto number = log_->append(batch_);
  if (!number && number.error().code() == errc::no_space) {
    box_.at_local(box_.local_now() + retry_when_full, [this] { append(); });
    return;
  }
  if (!number) {
    box_.storage().when_flushed([this] { told(0, errc::io); });
    return;
  }
  number_ = *number;
  ++batches_;
  if (answers_before_flush) {
    for (const auto id : ends_) {
      // Not from within the core's own step.
      box_.at_local(box_.local_now(), [this, id] { told(id, errc::ok); });
    }
  }
  box_.storage().when_flushed([this] { flushed(); });
}

void node_files::flushed() {
  for (const auto& piece : pieces_) {
    image_.wrote(piece, number_);
  }
  if (!pieces_.empty()) {
    log_->keep_from(our_group, image_.first_needed());
  }
  const auto ends = std::exchange(ends_, {});
  const auto was_idle = pieces_.empty();
  busy_ = false;
  for (const auto id : ends) {
    told(id, errc::ok);
    if (!box_.is_up()) {
      return;
    }
  }
  if (!busy_ && !(was_idle && waiting_.empty())) {
    gather();
  }
}

errc node_files::store_snapshot(const stored_snapshot& taken, answer done) {
  const auto text = pack_snapshot(taken);
  const auto unfinished =
    unfinished_snapshot + std::to_string(++snapshots_begun_);
  const auto code = box_.storage().write(
    unfinished, 0, std::as_bytes(std::span{text.data(), text.size()}));
  if (code != errc::ok) {
    return code;
  }
  box_.storage().sync(
    unfinished, [this, unfinished, taken, done = std::move(done)](errc result) {
      if (result == errc::ok && taken.meta.index >= snapshot_.meta.index) {
        const auto name = snapshot_name(taken.meta.index);
        box_.storage().rename(unfinished, name);
        snapshot_ = taken;
        for (const auto& other : box_.storage().list()) {
          if (other.starts_with("snapshot.") && other < name) {
            box_.storage().remove(other);
          }
        }
      }
      done(result);
    });
  return errc::ok;
}

bool node_files::holds_durably(raft::log_index index,
                               raft::term_number term) const {
  if (index <= snapshot_.meta.index) {
    return true;
  }
  const auto& log = image_.entries();
  if (log.empty() || index < log.front().index || index > log.back().index) {
    return false;
  }
  return log[index - log.front().index].term == term;
}

bool node_files::rot_somewhere(dice& thrown) {
  auto& storage = box_.storage();
  if (image_.base() > 0 && thrown.below(4) == 0) {
    const auto name = snapshot_name(snapshot_.meta.index);
    const auto size = storage.read(name).size();
    storage.rot(name, thrown.below(size),
                static_cast<unsigned>(thrown.below(8)));
    return true;
  }
  return storage.rot_what_is_vouched_for(thrown);
}

} // namespace neuroplex::sim
