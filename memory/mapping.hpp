// The file under a segment: making, checking, mapping and committing it, and
// the locks on it by which processes know one another to be alive.
//
// Locks are open-file-description locks (F_OFD_SETLK) on byte numbers beyond
// the file's end: they end with the process, however it ends, are not confused
// by a reused process id, and another thread of the process can test them. A
// child of fork() shares the description; `close_after_fork` gives it up there.
#pragma once

#include "memory/bus_guard.hpp"
#include "memory/layout.hpp"
#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace neuroplex::memory {

/// A mapped segment file. Move-only; unmaps and closes.
class mapping {
public:
  /// Makes a file without a name, commits what `header` asks for at the start,
  /// lets `initialise(base)` fill it and gives it its name. `exists` when the
  /// name is taken.
  static expected<mapping>
  create(const std::string& path, const layout::header& header,
         std::uint64_t prefix_bytes, std::uint64_t pool_offset,
         std::uint64_t pool_bytes, const segment_options& options,
         void (*initialise)(std::byte* base, const layout::header&));

  /// Checks owner, mode, file system and length, reads the header into `header`
  /// and maps the whole reserved length.
  static expected<mapping> open(const std::string& path, access_mode mode,
                                layout::header& header,
                                const numa_options& numa = {});

  mapping(mapping&& other) noexcept;
  mapping& operator=(mapping&& other) noexcept;
  ~mapping();

  [[nodiscard]] std::byte* base() const noexcept {
    return base_;
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return bytes_;
  }

  /// Backs [offset, offset + bytes) with memory or disk blocks, so that a full
  /// file system is an error here and never a SIGBUS later.
  [[nodiscard]] errc commit(std::uint64_t offset, std::uint64_t bytes) const;

  /// Backs [offset, offset + bytes) with huge pages as far as the kernel has
  /// them; `commit` of the same range does the rest. Before it rather than
  /// after, which is several times slower.
  void prefer_huge_pages(std::uint64_t offset,
                         std::uint64_t bytes) const noexcept;

  /// Bytes of the mapping that huge pages back, as the kernel tells.
  [[nodiscard]] std::uint64_t huge_page_bytes() const;

  /// What the kernel said to the memory policy that was asked for.
  [[nodiscard]] const placement_report& placement() const noexcept {
    return placement_;
  }

  // -- locks by number --------------------------------------------------------

  /// Takes lock `number` if nobody has it.
  [[nodiscard]] bool try_lock(std::uint32_t number) const noexcept;

  /// Takes lock `number`, waiting up to `timeout_ms`.
  [[nodiscard]] bool lock(std::uint32_t number, int timeout_ms) const noexcept;

  void unlock(std::uint32_t number) const noexcept;

  /// Whether another open file description holds lock `number`.
  [[nodiscard]] bool is_locked_elsewhere(std::uint32_t number) const noexcept;

  /// In a forked child: gives the shared description up without unlocking it
  /// for the parent.
  void close_after_fork() noexcept;

private:
  mapping() = default;

  expected<void> map(const std::string& path, access_mode mode);

  /// False: no further range is worth a try.
  [[nodiscard]] bool collapse(std::uint64_t begin,
                              std::uint64_t end) const noexcept;

  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
  int fd_ = -1;
  placement_report placement_;
  detail::watched_range watched_;
};

/// Whether `path` is on a network file system, where neither shared maps nor
/// locks keep their promises.
bool on_network_file_system(int fd) noexcept;

} // namespace neuroplex::memory
