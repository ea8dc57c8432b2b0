// A file for entries that the write log has no room for.
//
// Purpose: frames of entries, written at the end and flushed before the ring
// lets go of them, and read from the front. When all was read and is safe
// elsewhere, `trim` lets the file begin anew.
//
// Ownership and threads: any; producers put what the reconciler takes.
//
// Failure behaviour: `no_space` (the disk, or `max_bytes`), `io`: nothing was
// added. `corrupt` for a frame
// whose checksum is wrong though it was whole before. At a start a torn frame
// at the end is left out: nobody was told that it was kept.
#pragma once

#include "memory/disk_directory.hpp"
#include "storage/concept/write_log.hpp"

#include <atomic>
#include <mutex>

namespace neuroplex::concepts {

class spill_file final : public spill_store {
public:
  static constexpr std::string_view file_name = "spill";

  /// Opens the file in `where`, which must outlive it, or makes it. What an
  /// earlier process left in it comes first. It grows to `max_bytes`.
  static expected<std::unique_ptr<spill_file>>
  open(memory::disk_directory& where,
       std::uint64_t max_bytes = limits::max_spill_bytes);

  expected<void> put(std::vector<write_entry>& entries) override;
  expected<void> take(std::vector<write_entry>& to, std::size_t most) override;

  /// Empties the file if all was read, and nothing beyond the place `read`. Not
  /// done by `take`: what it took is safe elsewhere only later.
  expected<void> trim(std::uint64_t read);

  /// Up to where the file was read.
  [[nodiscard]] std::uint64_t read_bytes() const;

  [[nodiscard]] std::uint64_t size() const noexcept override {
    return entries_.load(std::memory_order_relaxed);
  }

private:
  spill_file(std::unique_ptr<memory::disk_file> file, std::string where,
             std::uint64_t max_bytes)
    : file_{std::move(file)}, where_{std::move(where)}, max_bytes_{max_bytes} {
  }

  expected<void> count_frames();
  expected<bool> read_frame(std::uint64_t at, std::string& entries,
                            std::uint64_t& count) const;

  std::unique_ptr<memory::disk_file> file_;
  std::string where_;
  std::uint64_t max_bytes_;
  mutable std::mutex mutex_; ///< of the file and what follows
  std::uint64_t begin_ = 0;  ///< of the first frame that was not read
  std::uint64_t end_ = 0;
  std::atomic<std::uint64_t> entries_{0}; ///< `size` reads it without the lock
};

} // namespace neuroplex::concepts
