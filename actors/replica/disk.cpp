#include "actors/replica/disk.hpp"

#include "crdt/digest.hpp"

#include <cstring>
#include <set>
#include <utility>

namespace neuroplex::replica {

namespace {

constexpr std::uint64_t state_magic = 0x31545453'5045524EU; // NREPSTT1
constexpr std::size_t head_bytes = 16;

// Segments of the log beyond which who holds the oldest is asked for a
// snapshot.
constexpr std::size_t many_segments = 4;

std::string hex(std::uint64_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (auto shift = 60; shift >= 0; shift -= 4)
    result.push_back(digits[(number >> shift) & 15]);
  return result;
}

std::string state_name(std::uint64_t group) {
  return "state-" + hex(group);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

void append_number(std::string& out, std::uint64_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, sizeof number);
}

storage::log_identity identity_of(const disk_options& options) {
  storage::log_identity result;
  auto name = crdt::hash_bytes(options.cluster);
  auto purpose = crdt::hash_bytes("replicas");
  std::memcpy(result.cluster.data(), &name, sizeof name);
  std::memcpy(result.cluster.data() + sizeof name, &purpose, sizeof purpose);
  result.node = options.node;
  return result;
}

} // namespace

std::uint64_t group_of(const shard_name& whose) {
  return crdt::combine(crdt::hash_bytes(whose.space), whose.shard);
}

expected<std::unique_ptr<disk>>
disk::open(const disk_options& options, const std::vector<shard_name>& shards) {
  std::unique_ptr<disk> result{new disk{options}};
  if (auto begun = result->begin(shards); !begun)
    return begun.error();
  return result;
}

expected<void> disk::begin(const std::vector<shard_name>& shards) {
  auto parent =
    memory::open_disk_directory(options_.directory, true, "replica directory");
  if (!parent)
    return parent.error();
  auto states = memory::open_disk_directory(options_.directory + "/states",
                                            true, "directory of snapshots");
  if (!states)
    return states.error();
  states_ = std::move(*states);
  std::map<std::uint64_t, shard_files*> groups;
  for (const auto& whose : shards) {
    auto& files = shards_[whose];
    files.group = group_of(whose);
    if (!groups.emplace(files.group, &files).second)
      return failure{errc::config, "namespaces: \"" + whose.space
                                     + "\": its number in the log is that of "
                                       "another: give it another name"};
    if (auto loaded = load(whose, files); !loaded)
      return loaded;
  }
  auto where = memory::open_disk_directory(options_.directory + "/log", true,
                                           "directory of the log");
  if (!where)
    return where.error();
  expected<void> applied;
  std::set<std::uint64_t> strangers;
  auto opened = storage::durable_log::open(
    std::move(*where), identity_of(options_),
    {.segment_bytes = options_.segment_bytes, .seed = options_.seed},
    [&](const storage::log_record& what, storage::batch_number) {
      auto found = groups.find(what.group);
      if (found == groups.end()) {
        strangers.insert(what.group);
        return;
      }
      if (applied)
        applied = found->second->recovered.apply(
          {static_cast<record_kind>(what.kind), what.index, what.term,
           std::string{what.payload}});
    });
  if (!opened)
    return opened.error();
  if (!applied)
    return applied;
  log_.emplace(std::move(*opened));
  // Namespaces that the configuration has no more.
  for (auto group : strangers)
    log_->forget(group);
  return {};
}

expected<void> disk::load(const shard_name& whose, shard_files& into) {
  const auto name = state_name(into.group);
  auto damaged = [&](const std::string& what) {
    return failure{errc::corrupt, states_->where() + "/" + name + ": " + what
                                    + ": remove " + options_.directory
                                    + ", and this node gets all from the "
                                      "others"};
  };
  auto file = states_->open(name, false);
  if (!file)
    return file.code() == errc::not_found ? expected<void>{} : file.error();
  auto size = (*file)->size();
  if (!size)
    return size.error();
  if (*size < head_bytes || *size > limits::max_snapshot_bytes)
    return damaged("not the length of a snapshot");
  std::string bytes(*size, '\0');
  auto whole = memory::read_fully(**file, 0, bytes);
  if (!whole)
    return whole.error();
  auto body = std::string_view{bytes}.substr(head_bytes);
  if (!*whole || number_at(bytes, 0) != state_magic
      || number_at(bytes, 8) != crdt::hash_bytes(body))
    return damaged("its checksum is wrong");
  auto state = recovered_state::from_snapshot(body);
  if (!state)
    return damaged(state.error().message());
  static_cast<void>(whose);
  into.recovered = std::move(*state);
  return {};
}

recovered_state disk::take_recovered(const shard_name& whose) {
  return std::exchange(shards_.at(whose).recovered, {});
}

void disk::submit(disk_job what) {
  std::lock_guard guard{mutex_};
  waiting_.push_back(std::move(what));
}

expected<std::vector<disk::written_part>> disk::write_waiting() {
  std::vector<disk_job> jobs;
  {
    std::lock_guard guard{mutex_};
    if (!report_.problem.empty())
      return failure{errc::io, report_.problem};
    jobs = std::exchange(waiting_, {});
  }
  auto first = log_->last_batch() + 1;
  auto done = append(jobs);
  if (done)
    done = keep(jobs, first);
  if (!done) {
    std::lock_guard guard{mutex_};
    report_.problem = done.error().message();
    return done.error();
  }
  std::map<shard_name, written_part> parts;
  for (const auto& job : jobs) {
    auto& part = parts[job.whose];
    part.whose = job.whose;
    if (!job.records.empty())
      part.sequence = job.records.back().sequence;
  }
  std::set<std::uint64_t> holding;
  if (log_->segments() > many_segments)
    for (auto group : log_->laggards())
      holding.insert(group);
  std::vector<written_part> result;
  for (auto& [whose, files] : shards_) {
    auto wants = files.bytes_since_snapshot > options_.snapshot_after_bytes
                 || holding.contains(files.group);
    auto part = parts.find(whose);
    if (part == parts.end() && !wants)
      continue;
    auto& told = result.emplace_back(
      part == parts.end() ? written_part{.whose = whose} : part->second);
    told.wants_snapshot = wants;
    if (wants)
      files.bytes_since_snapshot = 0;
  }
  return result;
}

expected<void> disk::append(const std::vector<disk_job>& jobs) {
  storage::log_batch batch{log_->max_batch_bytes()};
  disk_report done;
  auto flush = [&]() -> expected<void> {
    if (batch.empty())
      return {};
    if (auto appended = log_->append(batch); !appended)
      return appended.error();
    ++done.batches;
    done.bytes += batch.bytes();
    batch.clear();
    return {};
  };
  for (const auto& job : jobs) {
    auto& files = shards_.at(job.whose);
    for (const auto& one : job.records) {
      const storage::log_record what{.group = files.group,
                                     .kind =
                                       static_cast<std::uint8_t>(one.kind),
                                     .term = one.number,
                                     .index = one.sequence,
                                     .payload = one.payload};
      auto added = batch.add(what);
      if (added == errc::busy) {
        if (auto flushed = flush(); !flushed)
          return flushed;
        added = batch.add(what);
      }
      if (added != errc::ok)
        return failure{added, "replica log: a record of "
                                + std::to_string(one.payload.size())
                                + " bytes: larger than a segment"};
      files.bytes_since_snapshot += one.payload.size();
      ++done.records;
    }
  }
  if (auto flushed = flush(); !flushed)
    return flushed;
  std::lock_guard guard{mutex_};
  report_.batches += done.batches;
  report_.records += done.records;
  report_.bytes += done.bytes;
  return {};
}

// Records since `first` may be later than the snapshot; those before are not.
expected<void> disk::keep(const std::vector<disk_job>& jobs,
                          storage::batch_number first) {
  for (const auto& job : jobs) {
    if (!job.snapshot)
      continue;
    const auto& files = shards_.at(job.whose);
    std::string bytes;
    append_number(bytes, state_magic);
    append_number(bytes, crdt::hash_bytes(*job.snapshot));
    bytes += *job.snapshot;
    if (auto kept =
          memory::replace_file(*states_, state_name(files.group), bytes);
        !kept)
      return kept;
    log_->keep_from(files.group, first);
    std::lock_guard guard{mutex_};
    ++report_.snapshots;
  }
  return {};
}

disk_report disk::report() const {
  std::lock_guard guard{mutex_};
  return report_;
}

} // namespace neuroplex::replica
