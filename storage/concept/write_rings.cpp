#include "storage/concept/write_rings.hpp"

#include "storage/concept/entry_codec.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <xxhash.h>

#include <sys/mman.h>

namespace neuroplex::concepts {

/// What the two ends of a ring tell each other. Counts of bytes only rise.
struct ring_file::control {
  /// Written by the producer, after the bytes it counts.
  alignas(64) std::atomic<std::uint64_t> published;
  /// Written by the owner: these need not be kept any more.
  alignas(64) std::atomic<std::uint64_t> visible;
  std::atomic<std::uint32_t> broken;
};

namespace {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint64_t rings_magic = 0x53474E495250454EU; // "NEPRINGS"
constexpr std::uint32_t rings_version = 1;
constexpr std::uint64_t rings_page_bytes = 4096;
constexpr std::uint32_t most_rings = 64;
constexpr std::uint64_t least_ring_bytes = rings_page_bytes;
constexpr std::uint64_t most_ring_bytes = std::uint64_t{64} << 20;

struct rings_header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t rings;
  std::uint64_t ring_bytes;
};

/// Before the bytes of each frame. The sum tells what a producer wrote from
/// what somebody else scribbled.
struct ring_frame_head {
  std::uint32_t bytes;
  std::uint32_t sum;
};

std::uint32_t sum_of(std::string_view bytes) noexcept {
  return static_cast<std::uint32_t>(::XXH3_64bits(bytes.data(), bytes.size()));
}

bool are_sizes(std::uint64_t rings, std::uint64_t ring_bytes) noexcept {
  return rings >= 1 && rings <= most_rings && std::has_single_bit(ring_bytes)
         && ring_bytes >= least_ring_bytes && ring_bytes <= most_ring_bytes;
}

/// A page for the header, one for each ring's control, then the rings.
std::uint64_t rings_file_bytes(std::uint64_t rings,
                               std::uint64_t ring_bytes) noexcept {
  return rings_page_bytes + rings * (rings_page_bytes + ring_bytes);
}

} // namespace

// --- the file

expected<void> write_rings_options::validate() const {
  if (are_sizes(rings, ring_bytes))
    return {};
  return failure{errc::bad_argument,
                 "rings of a concept memory: " + std::to_string(rings) + " of "
                   + std::to_string(ring_bytes) + " bytes: expected 1 to "
                   + std::to_string(most_rings) + ", a power of two from "
                   + std::to_string(least_ring_bytes) + " to "
                   + std::to_string(most_ring_bytes)};
}

ring_file::ring_file(ring_file&& other) noexcept
  : file_{std::move(other.file_)}, base_{std::exchange(other.base_, nullptr)},
    bytes_{other.bytes_}, rings_{other.rings_},
    ring_bytes_{other.ring_bytes_}, watched_{std::move(other.watched_)} {
}

ring_file::~ring_file() {
  if (base_ != nullptr)
    ::munmap(base_, bytes_);
}

expected<ring_file>
ring_file::open_or_create(const write_rings_options& options) {
  if (auto fits = options.validate(); !fits)
    return fits.error();
  auto found = open(options.path);
  if (found || found.code() != errc::not_found)
    return found;
  auto made = create(options);
  // Somebody else was faster.
  return !made && made.code() == errc::exists ? open(options.path)
                                              : std::move(made);
}

expected<ring_file> ring_file::create(const write_rings_options& options) {
  auto file = private_file::make(
    options.path, rings_file_bytes(options.rings, options.ring_bytes));
  if (!file)
    return file.error();
  rings_header header{rings_magic, rings_version, options.rings,
                      options.ring_bytes};
  ring_file made{std::move(*file)};
  const std::string_view bytes{reinterpret_cast<const char*>(&header),
                               sizeof header};
  if (auto written = made.file_.write(bytes); !written)
    return written.error();
  if (auto mapped = made.map(); !mapped)
    return mapped.error();
  if (auto named = made.file_.give_name(); !named)
    return named.error();
  return made;
}

expected<ring_file> ring_file::open(const std::string& path) {
  auto file = private_file::open(path, false);
  if (!file)
    return file.error();
  ring_file found{std::move(*file)};
  if (auto mapped = found.map(); !mapped)
    return mapped.error();
  return found;
}

expected<void> ring_file::map() {
  const auto& path = file_.path();
  rings_header header{};
  if (auto got = file_.read(&header, sizeof header); !got)
    return got;
  if (header.magic != rings_magic)
    return failure{errc::corrupt, path + ": not a file of rings"};
  if (header.version != rings_version)
    return failure{errc::version,
                   path + ": version " + std::to_string(header.version)
                     + ": expected " + std::to_string(rings_version)};
  auto bytes = file_.bytes();
  if (!bytes)
    return bytes.error();
  if (!are_sizes(header.rings, header.ring_bytes)
      || rings_file_bytes(header.rings, header.ring_bytes) != *bytes)
    return failure{errc::corrupt, path
                                    + ": sizes that no file of rings has: "
                                      "remove it when nobody uses it"};
  rings_ = header.rings;
  ring_bytes_ = header.ring_bytes;
  bytes_ = *bytes;
  auto* base = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED,
                      file_.descriptor(), 0);
  if (base == MAP_FAILED)
    return failure{errc::io, path + ": " + std::strerror(errno)};
  base_ = static_cast<std::byte*>(base);
  watched_ =
    memory::detail::watched_range{base_, bytes_, file_.descriptor(), path};
  return {};
}

ring_file::control& ring_file::control_of(std::uint32_t ring) const noexcept {
  static_assert(sizeof(control) <= rings_page_bytes);
  return *reinterpret_cast<control*>(base_ + rings_page_bytes * (1 + ring));
}

void ring_file::write(std::uint32_t ring, std::uint64_t at,
                      std::string_view bytes) const noexcept {
  auto* begin = base_ + rings_page_bytes * (1 + rings_) + ring * ring_bytes_;
  auto place = at & (ring_bytes_ - 1);
  auto first = std::min<std::uint64_t>(bytes.size(), ring_bytes_ - place);
  std::memcpy(begin + place, bytes.data(), first);
  std::memcpy(begin, bytes.data() + first, bytes.size() - first);
}

void ring_file::read(std::uint32_t ring, std::uint64_t at, char* to,
                     std::size_t bytes) const noexcept {
  const auto* begin =
    base_ + rings_page_bytes * (1 + rings_) + ring * ring_bytes_;
  auto place = at & (ring_bytes_ - 1);
  auto first = std::min<std::uint64_t>(bytes, ring_bytes_ - place);
  std::memcpy(to, begin + place, first);
  std::memcpy(to + first, begin, bytes - first);
}

// --- the memory's end

write_rings::write_rings(ring_file file)
  : file_{std::move(file)}, states_(file_.rings()) {
  for (std::uint32_t ring = 0; ring < file_.rings(); ++ring) {
    auto& control = file_.control_of(ring);
    states_[ring].taken = control.visible.load(std::memory_order_relaxed);
    states_[ring].broken = control.broken.load(std::memory_order_relaxed) != 0;
  }
}

expected<std::unique_ptr<write_rings>>
write_rings::make(const write_rings_options& options) {
  auto file = ring_file::open_or_create(options);
  if (!file)
    return file.error();
  if (!file->locks().try_lock(file->owner_lock()))
    return failure{errc::locked,
                   options.path + ": another process reads these rings"};
  return std::unique_ptr<write_rings>{new write_rings{std::move(*file)}};
}

void write_rings::drain(write_log& log, association_types& types) {
  for (std::uint32_t ring = 0; ring < file_.rings(); ++ring)
    if (states_[ring].broken)
      begin_anew(ring);
    else
      drain_ring(ring, log, types);
}

void write_rings::drain_ring(std::uint32_t ring, write_log& log,
                             association_types& types) {
  auto& state = states_[ring];
  // Pairs with the release in ring_producer::write: the bytes are there.
  auto published =
    file_.control_of(ring).published.load(std::memory_order_acquire);
  const auto begin = state.taken;
  while (state.taken != published && log.pending() < log.capacity()) {
    write_entry entry;
    std::string type;
    std::uint64_t frame_bytes = 0;
    if (read_frame(ring, published, entry, type, frame_bytes) != errc::ok)
      return give_up(ring);
    auto result = type.empty() ? errc::ok : type_of(type, types, entry.type);
    if (result != errc::ok) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      log.note({log_event::kind::refused, result, entry.kind, entry.id,
                entry.target, 0});
    } else {
      // What the log does not take stays where it is.
      if (log.append(entry) != errc::ok)
        break;
      state.last_sequence = entry.sequence;
      entries_.fetch_add(1, std::memory_order_relaxed);
    }
    state.taken += frame_bytes;
  }
  if (state.taken != begin)
    state.moved.push_back({state.taken, state.last_sequence});
}

/// Copies the next frame before it looks at it, since a producer that does not
/// keep to the rules may still be writing there.
errc write_rings::read_frame(std::uint32_t ring, std::uint64_t published,
                             write_entry& entry, std::string& type,
                             std::uint64_t& frame_bytes) {
  auto at = states_[ring].taken;
  auto there = published - at;
  ring_frame_head head{};
  if (there > file_.ring_bytes() || there < sizeof head)
    return errc::corrupt;
  file_.read(ring, at, reinterpret_cast<char*>(&head), sizeof head);
  if (head.bytes > there - sizeof head)
    return errc::corrupt;
  frame_.resize(head.bytes);
  file_.read(ring, at + sizeof head, frame_.data(), frame_.size());
  std::string_view rest{frame_};
  if (sum_of(rest) != head.sum || decode(rest, entry) != errc::ok)
    return errc::corrupt;
  auto has_type = entry.kind == entry_kind::learn_association
                  || entry.kind == entry_kind::forget_association;
  if (rest.empty() == has_type || rest.size() > limits::max_type_name_bytes)
    return errc::corrupt;
  type = rest;
  frame_bytes = sizeof head + head.bytes;
  return errc::ok;
}

errc write_rings::type_of(const std::string& name, association_types& types,
                          association_type& type) {
  auto known = known_types_.find(name);
  if (known == known_types_.end()) {
    auto made = types.intern(name);
    if (!made)
      return made.code();
    known = known_types_.emplace(name, *made).first;
  }
  type = known->second;
  return errc::ok;
}

void write_rings::give_up(std::uint32_t ring) {
  states_[ring].broken = true;
  file_.control_of(ring).broken.store(1, std::memory_order_release);
  corrupt_.fetch_add(1, std::memory_order_relaxed);
}

/// Empties a ring that was given up, once its producer is gone.
void write_rings::begin_anew(std::uint32_t ring) {
  if (!file_.locks().try_lock(ring))
    return;
  auto& control = file_.control_of(ring);
  states_[ring] = {};
  control.published.store(0, std::memory_order_relaxed);
  control.visible.store(0, std::memory_order_relaxed);
  control.broken.store(0, std::memory_order_relaxed);
  file_.locks().unlock(ring);
}

void write_rings::note_visible(std::uint64_t sequence) {
  for (std::uint32_t ring = 0; ring < file_.rings(); ++ring) {
    auto& moved = states_[ring].moved;
    auto visible = std::uint64_t{0};
    for (; !moved.empty() && moved.front().sequence <= sequence;
         moved.pop_front())
      visible = moved.front().position;
    // Pairs with the acquire in ring_producer: the bytes are free.
    if (visible != 0)
      file_.control_of(ring).visible.store(visible, std::memory_order_release);
  }
}

bool write_rings::presses() const noexcept {
  for (std::uint32_t ring = 0; ring < file_.rings(); ++ring)
    if (!states_[ring].broken
        && file_.control_of(ring).published.load(std::memory_order_relaxed)
               - states_[ring].taken
             >= file_.ring_bytes() / 4)
      return true;
  return false;
}

write_rings_stats write_rings::stats() const {
  write_rings_stats result;
  for (std::uint32_t ring = 0; ring < file_.rings(); ++ring)
    result.producers += file_.locks().is_locked_elsewhere(ring) ? 1 : 0;
  result.entries = entries_.load(std::memory_order_relaxed);
  result.refused = refused_.load(std::memory_order_relaxed);
  result.corrupt = corrupt_.load(std::memory_order_relaxed);
  return result;
}

// --- the producer's end

expected<ring_producer> ring_producer::attach(const std::string& path) {
  auto file = ring_file::open(path);
  if (!file)
    return file.error();
  if (!file->locks().is_locked_elsewhere(file->owner_lock()))
    return failure{errc::unavailable,
                   path + ": no concept memory reads these rings: start it"};
  for (std::uint32_t ring = 0; ring < file->rings(); ++ring) {
    if (file->control_of(ring).broken.load(std::memory_order_acquire) != 0
        || !file->locks().try_lock(ring))
      continue;
    // It may have been emptied, or given up, before the lock was ours.
    if (file->control_of(ring).broken.load(std::memory_order_acquire) == 0)
      return ring_producer{std::move(*file), ring};
    file->locks().unlock(ring);
  }
  return failure{errc::too_many, path + ": all " + std::to_string(file->rings())
                                   + " rings are taken: end a producer first"};
}

ring_producer::ring_producer(ring_file file, std::uint32_t ring)
  : file_{std::move(file)}, ring_{ring},
    published_{
      file_.control_of(ring).published.load(std::memory_order_acquire)} {
}

errc ring_producer::write(const write_entry& entry, std::string_view type) {
  auto has_type = entry.kind == entry_kind::learn_association
                  || entry.kind == entry_kind::forget_association;
  if (type.empty() == has_type || type.size() > limits::max_type_name_bytes)
    return errc::bad_argument;
  auto& control = file_.control_of(ring_);
  if (control.broken.load(std::memory_order_acquire) != 0)
    return errc::corrupt;
  frame_.assign(sizeof(ring_frame_head), '\0');
  encode(entry, frame_);
  frame_.append(type);
  if (frame_.size() > file_.ring_bytes())
    return errc::value_size;
  // Pairs with the release in note_visible.
  auto kept = published_ - control.visible.load(std::memory_order_acquire);
  if (kept > file_.ring_bytes())
    return errc::corrupt;
  if (frame_.size() > file_.ring_bytes() - kept)
    return errc::busy;
  auto body = std::string_view{frame_}.substr(sizeof(ring_frame_head));
  ring_frame_head head{static_cast<std::uint32_t>(body.size()), sum_of(body)};
  std::memcpy(frame_.data(), &head, sizeof head);
  file_.write(ring_, published_, frame_);
  published_ += frame_.size();
  // Pairs with the acquire in drain_ring.
  control.published.store(published_, std::memory_order_release);
  return errc::ok;
}

errc ring_producer::wait_visible(std::chrono::milliseconds limit) {
  constexpr std::chrono::microseconds pause{200};
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const auto& control = file_.control_of(ring_);
  while (control.visible.load(std::memory_order_acquire) != published_) {
    if (control.broken.load(std::memory_order_acquire) != 0)
      return errc::corrupt;
    if (!file_.locks().is_locked_elsewhere(file_.owner_lock()))
      return errc::unavailable;
    if (std::chrono::steady_clock::now() >= deadline)
      return errc::deadline;
    std::this_thread::sleep_for(pause);
  }
  return errc::ok;
}

} // namespace neuroplex::concepts
