#include "storage/concept/shared_view.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <random>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace neuroplex::concepts {

namespace detail {

/// A type as readers see it; texts end with a zero.
struct shown_type {
  std::array<char, limits::max_type_name_bytes + 1> name;
  std::array<char, limits::max_type_name_bytes + 1> phrase;
};

static_assert(std::is_trivially_copyable_v<graph_version>);
static_assert(sizeof(graph_version) % sizeof(std::uint64_t) == 0);
constexpr std::size_t version_words =
  sizeof(graph_version) / sizeof(std::uint64_t);

/// At the beginning of the file.
struct view_root {
  std::uint64_t magic;
  std::uint64_t layout; ///< of what readers look at
  std::uint64_t address;
  std::uint64_t most_bytes;
  std::uint64_t generation; ///< tells memories apart that used the path
  alignas(64) std::atomic<std::uint64_t> newest; ///< number of the version
  /// Of odd and of even numbers; a version's words stay until the next but one.
  std::array<std::array<std::atomic<std::uint64_t>, version_words>, 2> versions;
  alignas(64) std::atomic<std::uint32_t> closed;
  std::atomic<std::uint32_t> type_count; ///< types before it never change
  std::array<shown_type, limits::max_association_types> types;
};

/// Of one process.
struct reader_page {
  std::atomic<std::uint64_t> generation; ///< of the memory that it reads
  std::atomic<std::uint32_t> process_id;
  struct alignas(64) slot {
    std::atomic<std::uint64_t> version; ///< 0: none
    std::atomic<std::uint32_t> thread;
  };
  std::array<slot, reader_pages::slots_a_process> slots;
};

} // namespace detail

namespace {

using detail::reader_page;
using detail::reader_pages;
using detail::view_root;

constexpr std::uint64_t view_magic = 0x57454956'5250454EU; // "NEPRVIEW"
constexpr std::uint64_t view_version = 1;

/// Changes with what lies in the file.
constexpr std::uint64_t view_layout =
  view_version << 48 | sizeof(view_root) << 16 | sizeof(graph_version);

constexpr std::uint64_t view_page_bytes = 4096;
constexpr std::uint64_t commit_bytes = std::uint64_t{4} << 20;
constexpr std::uint64_t largest_view_bytes = std::uint64_t{1} << 40;
constexpr std::uint64_t readers_bytes =
  reader_pages::most_processes * view_page_bytes;
static_assert(sizeof(reader_page) <= view_page_bytes);

/// Where maps are that everybody has at the same address: a part of the address
/// space in which neither programs nor their libraries, stacks and heaps lie.
constexpr std::uint64_t first_address = 0x2000'0000'0000;
constexpr std::uint64_t address_count = 32;
static_assert(first_address + address_count * largest_view_bytes
              <= 0x4000'0000'0000);

failure map_failure(errc code, const std::string& path) {
  return {code, path + ": " + std::strerror(errno)};
}

std::string readers_path(const std::string& path) {
  return path + ".readers";
}

void copy_text(std::string_view from,
               std::array<char, limits::max_type_name_bytes + 1>& to) {
  auto length = std::min(from.size(), limits::max_type_name_bytes);
  std::memcpy(to.data(), from.data(), length);
  to[length] = '\0';
}

} // namespace

expected<void> shared_view_options::validate() const {
  if (most_bytes >= commit_bytes && most_bytes <= largest_view_bytes
      && most_bytes % commit_bytes == 0)
    return {};
  return failure{errc::bad_argument,
                 "bytes of a shared view: " + std::to_string(most_bytes)
                   + ": expected a multiple of " + std::to_string(commit_bytes)
                   + " up to " + std::to_string(largest_view_bytes)};
}

// --- readers' pages

expected<reader_pages> reader_pages::open(const std::string& path, bool make) {
  if (make) {
    auto made = private_file::make(path, readers_bytes);
    if (!made)
      return made.error();
    if (auto named = made->give_name(); !named && named.code() != errc::exists)
      return named.error();
  }
  auto file = private_file::open(path, false);
  if (!file)
    return file.error();
  auto bytes = file->bytes();
  if (!bytes)
    return bytes.error();
  if (*bytes != readers_bytes)
    return failure{errc::corrupt, path
                                    + ": not a file of readers: remove it "
                                      "when nobody uses it"};
  reader_pages result{std::move(*file)};
  auto* base = ::mmap(nullptr, readers_bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED, result.file_.descriptor(), 0);
  if (base == MAP_FAILED)
    return map_failure(errc::io, path);
  result.base_ = static_cast<std::byte*>(base);
  return result;
}

reader_pages::reader_pages(reader_pages&& other) noexcept
  : file_{std::move(other.file_)}, base_{std::exchange(other.base_, nullptr)} {
}

reader_pages::~reader_pages() {
  if (base_ != nullptr)
    ::munmap(base_, readers_bytes);
}

reader_page& reader_pages::page(std::uint32_t process) const noexcept {
  return *reinterpret_cast<reader_page*>(base_ + process * view_page_bytes);
}

// --- the memory's end

expected<std::unique_ptr<shared_view>>
shared_view::make(const shared_view_options& options,
                  const association_types& types) {
  if (auto fits = options.validate(); !fits)
    return fits.error();
  auto readers = reader_pages::open(readers_path(options.path), true);
  if (!readers)
    return readers.error();
  if (!readers->locks().try_lock(reader_pages::memory_lock))
    return failure{errc::locked,
                   options.path + ": another memory shows itself here"};
  // What a predecessor left is of no use; who reads it keeps its own map of it.
  if (::unlink(options.path.c_str()) != 0 && errno != ENOENT)
    return map_failure(errc::bad_path, options.path);
  auto file = private_file::make(options.path, commit_bytes);
  if (!file)
    return file.error();
  std::unique_ptr<shared_view> made{new shared_view{
    std::move(*readers), std::move(*file), options.most_bytes, types}};
  if (auto mapped = made->map(); !mapped)
    return mapped.error();
  if (auto named = made->file_.give_name(); !named)
    return named.error();
  return made;
}

expected<void> shared_view::map() {
  std::random_device chance;
  void* base = MAP_FAILED;
  for (std::uint64_t i = 0; i < address_count && base == MAP_FAILED; ++i) {
    auto address =
      first_address + (chance() % address_count) * largest_view_bytes;
    base = ::mmap(
      reinterpret_cast<void*>(address), most_bytes_, PROT_READ | PROT_WRITE,
      MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, file_.descriptor(), 0);
  }
  if (base == MAP_FAILED)
    return map_failure(errc::io, file_.path());
  // Only a hint, as for the arena's own memory.
  (void)::madvise(base, most_bytes_, MADV_HUGEPAGE);
  root_ = new (base) view_root{};
  root_->magic = view_magic;
  root_->layout = view_layout;
  root_->address = reinterpret_cast<std::uint64_t>(base);
  root_->most_bytes = most_bytes_;
  root_->generation = std::uint64_t{chance()} << 32 | chance();
  used_bytes_ = sizeof(view_root);
  return {};
}

shared_view::~shared_view() {
  if (root_ == nullptr)
    return;
  root_->closed.store(1, std::memory_order_release);
  ::munmap(root_, most_bytes_);
  ::unlink(file_.path().c_str());
}

void* shared_view::take(std::size_t bytes, std::size_t alignment) {
  auto begin = (used_bytes_ + alignment - 1) / alignment * alignment;
  auto end = begin + bytes;
  auto committed =
    (used_bytes_ + commit_bytes - 1) / commit_bytes * commit_bytes;
  auto wanted = (end + commit_bytes - 1) / commit_bytes * commit_bytes;
  if (wanted > most_bytes_
      || (wanted > committed && !file_.commit(committed, wanted - committed)))
    throw std::bad_alloc{};
  used_bytes_ = end;
  return reinterpret_cast<std::byte*>(root_) + begin;
}

void shared_view::show(const graph_version& next) {
  show_types();
  auto words =
    std::bit_cast<std::array<std::uint64_t, detail::version_words>>(next);
  // Pairs with the acquire in `load`: who saw a word of this version sees that
  // the one before, if not this one, is the newest.
  auto& shown = root_->versions[next.number % root_->versions.size()];
  for (std::size_t i = 0; i < words.size(); ++i)
    shown[i].store(words[i], std::memory_order_release);
  // Pairs with the loads in `load`.
  root_->newest.store(next.number, std::memory_order_seq_cst);
}

void shared_view::held(std::vector<held_version>& versions) {
  const auto newest = root_->newest.load(std::memory_order_relaxed);
  for (std::uint32_t process = 0; process < reader_pages::most_processes;
       ++process) {
    auto& page = readers_.page(process);
    if (page.generation.load(std::memory_order_acquire) != root_->generation)
      continue;
    auto is_alive = true;
    for (auto& slot : page.slots) {
      auto number = slot.version.load(std::memory_order_seq_cst);
      if (number == 0)
        continue;
      // Who looks at the newest holds nothing back yet.
      if (number != newest)
        is_alive = readers_.locks().is_locked_elsewhere(process);
      if (!is_alive)
        break;
      versions.push_back({number,
                          page.process_id.load(std::memory_order_relaxed),
                          slot.thread.load(std::memory_order_relaxed)});
    }
    if (is_alive || !readers_.locks().try_lock(process))
      continue;
    page.generation.store(0, std::memory_order_relaxed);
    readers_.locks().unlock(process);
  }
}

/// Names that are new, before what uses them.
void shared_view::show_types() {
  auto count = root_->type_count.load(std::memory_order_relaxed);
  for (; count < types_.size(); ++count) {
    auto type = static_cast<association_type>(count);
    copy_text(types_.name(type), root_->types[count].name);
    copy_text(types_.phrase(type), root_->types[count].phrase);
  }
  root_->type_count.store(count, std::memory_order_release);
}

// --- the readers' end

expected<view_reader> view_reader::attach(const std::string& path) {
  auto none = [&] {
    return failure{errc::unavailable,
                   path + ": no concept memory shows itself here: start it"};
  };
  auto readers = reader_pages::open(readers_path(path), false);
  if (!readers)
    return readers.code() == errc::not_found ? none() : readers.error();
  if (!readers->locks().is_locked_elsewhere(reader_pages::memory_lock))
    return none();
  auto file = private_file::open(path, true);
  if (!file)
    return file.code() == errc::not_found ? none() : file.error();
  std::uint32_t process = 0;
  while (process < reader_pages::most_processes
         && !readers->locks().try_lock(process))
    ++process;
  if (process == reader_pages::most_processes)
    return failure{errc::too_many,
                   path + ": " + std::to_string(process)
                     + " processes read this memory: end one of them first"};
  view_reader result{std::move(*readers), process};
  if (auto mapped = result.map(*file); !mapped)
    return mapped.error();
  return result;
}

expected<void> view_reader::map(const private_file& file) {
  const auto& path = file.path();
  struct {
    std::uint64_t magic, layout, address, most_bytes, generation;
  } header{};
  if (auto got = file.read(&header, sizeof header); !got)
    return got;
  if (header.magic != view_magic)
    return failure{errc::corrupt, path + ": not a memory that is shown"};
  if (header.layout != view_layout)
    return failure{errc::version,
                   path + ": layout " + std::to_string(header.layout)
                     + ": expected " + std::to_string(view_layout)};
  if (header.address < first_address
      || header.address >= first_address + address_count * largest_view_bytes
      || header.most_bytes > largest_view_bytes)
    return failure{errc::corrupt, path + ": an address that no memory has"};
  auto* base = ::mmap(
    reinterpret_cast<void*>(header.address), header.most_bytes, PROT_READ,
    MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, file.descriptor(), 0);
  if (base == MAP_FAILED)
    return map_failure(errc::unavailable, path);
  root_ = static_cast<const view_root*>(base);
  mapped_bytes_ = header.most_bytes;
  auto& page = readers_.page(process_);
  for (auto& slot : page.slots)
    slot.version.store(0, std::memory_order_relaxed);
  page.process_id.store(static_cast<std::uint32_t>(::getpid()),
                        std::memory_order_relaxed);
  page.generation.store(header.generation, std::memory_order_seq_cst);
  return {};
}

view_reader::view_reader(view_reader&& other) noexcept
  : readers_{std::move(other.readers_)}, process_{other.process_},
    root_{std::exchange(other.root_, nullptr)}, mapped_bytes_{
                                                  other.mapped_bytes_} {
}

view_reader::~view_reader() {
  if (root_ != nullptr)
    ::munmap(const_cast<view_root*>(root_), mapped_bytes_);
}

expected<shared_snapshot> view_reader::load() const {
  auto& page = readers_.page(process_);
  const auto none = std::uint64_t{0};
  for (auto& slot : page.slots) {
    auto wanted = root_->newest.load(std::memory_order_seq_cst);
    auto empty = none;
    if (!slot.version.compare_exchange_strong(empty, wanted,
                                              std::memory_order_seq_cst))
      continue;
    for (;;) {
      if (root_->closed.load(std::memory_order_acquire) != 0) {
        slot.version.store(none, std::memory_order_release);
        return failure{errc::closed, "the concept memory ended: attach again"};
      }
      const auto& shown = root_->versions[wanted % root_->versions.size()];
      std::array<std::uint64_t, detail::version_words> words;
      // Pairs with the release in `show`.
      for (std::size_t i = 0; i < words.size(); ++i)
        words[i] = shown[i].load(std::memory_order_acquire);
      // Named in the slot while it was the newest, so that no scan could miss
      // it, and copied before it was another's turn.
      auto now = root_->newest.load(std::memory_order_seq_cst);
      if (now == wanted) {
        slot.thread.store(static_cast<std::uint32_t>(::syscall(SYS_gettid)),
                          std::memory_order_relaxed);
        return shared_snapshot{std::bit_cast<graph_version>(words),
                               &slot.version};
      }
      wanted = now;
      slot.version.store(wanted, std::memory_order_seq_cst);
    }
  }
  return failure{errc::too_many,
                 "this process holds "
                   + std::to_string(reader_pages::slots_a_process)
                   + " snapshots: give some up first"};
}

std::string_view view_reader::type_name(association_type type) const {
  return type < root_->type_count.load(std::memory_order_acquire)
           ? std::string_view{root_->types[type].name.data()}
           : "?";
}

std::string_view view_reader::type_phrase(association_type type) const {
  return type < root_->type_count.load(std::memory_order_acquire)
           ? std::string_view{root_->types[type].phrase.data()}
           : "?";
}

bool view_reader::is_shown() const noexcept {
  return readers_.locks().is_locked_elsewhere(reader_pages::memory_lock)
         && root_->closed.load(std::memory_order_acquire) == 0;
}

} // namespace neuroplex::concepts
