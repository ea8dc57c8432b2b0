// How other processes read: the graph lies in a file that they map read-only,
// at the same address, so that its pointers mean the same to all.
//
// Purpose: a reader elsewhere gets snapshots with the guarantees of those in
// the process of the memory: immutable, whole batches only, no lock, no copy,
// no message. Everything that is asked of a `graph_version` can be asked of
// one.
//
// How: two files. The first, of the memory's process alone, has the blocks of
// the graph and a root: the two newest versions in turn, so that the newest is
// whole wherever the memory is killed; readers copy one and look again whether
// it was not yet the turn of another (Boehm, "Can seqlocks get along with
// programming language memory models?", MSPC 2012). In the second,
// PATH.readers, each reading process has a page of slots, and says in a slot
// which version it looks at before it looks again whether that is still the
// newest (hazard pointers, as in read_view.hpp). Locks say whose a page is; the
// slots of a process that is dead count for nothing.
//
// Ownership and threads: `shared_view`: the reconciler; it must outlive the
// graph that has its blocks there. `view_reader`: any thread, and it outlives
// its snapshots. After fork() the child must not use it.
//
// Invariants: readers cannot change the graph. What they scribble into their
// slots can only hold a version for longer.
//
// Failure behaviour: `unavailable` while no memory shows itself at the path,
// `closed` after it ended in order: attach again. If it is killed, the last
// snapshot stays as it is; `is_shown` says so. When the file system is full the
// memory's process ends, as when there is no memory for a graph of its own.
#pragma once

#include "storage/concept/association_types.hpp"
#include "storage/concept/graph_version.hpp"
#include "storage/concept/private_file.hpp"
#include "storage/concept/read_view.hpp"

#include <memory>
#include <string>
#include <vector>

namespace neuroplex::concepts {

struct shared_view_options {
  /// The file; best on a file system in memory. Empty: not shown.
  std::string path{};
  /// Address space for it, so the most that graph and versions can have; a
  /// multiple of 4 MiB, at most 1 TiB.
  std::uint64_t most_bytes = std::uint64_t{64} << 30;

  /// `bad_argument` with the setting, what it is and what it may be.
  [[nodiscard]] expected<void> validate() const;
};

namespace detail {

struct view_root;
struct reader_page;

/// The file of readers: pages of slots, and whose they are.
class reader_pages {
public:
  /// Processes that read at a time, and snapshots that each may hold.
  static constexpr std::uint32_t most_processes = 64;
  static constexpr std::uint32_t slots_a_process = 32;

  static expected<reader_pages> open(const std::string& path, bool make);

  reader_pages(reader_pages&& other) noexcept;
  reader_pages& operator=(reader_pages&&) = delete;
  ~reader_pages();

  [[nodiscard]] reader_page& page(std::uint32_t process) const noexcept;

  /// Locks: each process' by its number, and that of the memory.
  [[nodiscard]] const private_file& locks() const noexcept {
    return file_;
  }
  static constexpr std::uint32_t memory_lock = most_processes;

private:
  explicit reader_pages(private_file file) : file_{std::move(file)} {
  }

  private_file file_;
  std::byte* base_ = nullptr;
};

} // namespace detail

/// The memory's end.
class shared_view final : public block_source, public version_audience {
public:
  /// Shows names of types with the versions; `types` must outlive it. `locked`
  /// when another memory shows itself at the path; else as `private_file`.
  static expected<std::unique_ptr<shared_view>>
  make(const shared_view_options& options, const association_types& types);

  ~shared_view() override;
  shared_view(const shared_view&) = delete;
  shared_view& operator=(const shared_view&) = delete;

  void* take(std::size_t bytes, std::size_t alignment) override;

  void show(const graph_version& next) override;
  void held(std::vector<held_version>& versions) override;

private:
  shared_view(detail::reader_pages readers, private_file file,
              std::uint64_t most_bytes, const association_types& types)
    : readers_{std::move(readers)}, file_{std::move(file)},
      most_bytes_{most_bytes}, types_{types} {
  }

  expected<void> map();
  void show_types();

  detail::reader_pages readers_;
  private_file file_;
  std::uint64_t most_bytes_;
  const association_types& types_;
  detail::view_root* root_ = nullptr;
  std::uint64_t used_bytes_ = 0; ///< of the file, from its beginning
};

/// A version that another process made, as long as this lives.
class shared_snapshot {
public:
  shared_snapshot(shared_snapshot&& other) noexcept
    : version_{other.version_}, slot_{std::exchange(other.slot_, nullptr)} {
  }
  shared_snapshot& operator=(shared_snapshot&& other) noexcept {
    std::swap(version_, other.version_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~shared_snapshot() {
    // Pairs with the scan in shared_view::held: all reads are done before.
    if (slot_ != nullptr)
      slot_->store(0, std::memory_order_release);
  }

  [[nodiscard]] const graph_version& operator*() const noexcept {
    return version_;
  }
  [[nodiscard]] const graph_version* operator->() const noexcept {
    return &version_;
  }

private:
  friend class view_reader;

  shared_snapshot(const graph_version& version,
                  std::atomic<std::uint64_t>* slot)
    : version_{version}, slot_{slot} {
  }

  graph_version version_;
  std::atomic<std::uint64_t>* slot_;
};

/// The other end, in any process of the same user.
class view_reader {
public:
  /// `unavailable` while nobody shows a memory at the path, or when its address
  /// is in use here: try again; `too_many` processes read it; `version`.
  static expected<view_reader> attach(const std::string& path);

  view_reader(view_reader&& other) noexcept;
  view_reader& operator=(view_reader&&) = delete;
  ~view_reader();

  /// The newest snapshot. `too_many` when this process holds as many as it may,
  /// `closed` after the memory ended.
  [[nodiscard]] expected<shared_snapshot> load() const;

  /// Name and phrase of a type; "?" of one that is not in use.
  [[nodiscard]] std::string_view type_name(association_type type) const;
  [[nodiscard]] std::string_view type_phrase(association_type type) const;

  /// Whether the memory's process is there.
  [[nodiscard]] bool is_shown() const noexcept;

private:
  view_reader(detail::reader_pages readers, std::uint32_t process)
    : readers_{std::move(readers)}, process_{process} {
  }

  expected<void> map(const private_file& file);

  detail::reader_pages readers_;
  std::uint32_t process_;
  const detail::view_root* root_ = nullptr;
  std::uint64_t mapped_bytes_ = 0;
};

} // namespace neuroplex::concepts
