// Puts frames together and appends them to a file.
//
// Regions are gathered until about a megabyte is full, so that writes are long.
// A region that does not fit goes on in a further frame of the generation.
//
// Failure behaviour: the first failed write is kept, everything after it is
// dropped, and `failed` tells of it; so callers may ask once in a while.
#pragma once

#include "memory/backup_buffer.hpp"
#include "memory/backup_format.hpp"
#include "memory/disk_directory.hpp"

#include <cstdint>
#include <vector>

namespace neuroplex::memory::detail {

class backup_frames {
public:
  static constexpr std::size_t frame_bytes = std::size_t{1} << 20;

  /// Appends at `offset` of `file`, which must outlive this.
  backup_frames(disk_file& file, backup_format::file_kind kind,
                std::uint64_t chain_id, std::uint64_t generation,
                std::uint64_t offset) noexcept
    : file_{&file}, kind_{kind}, chain_id_{chain_id},
      generation_{generation}, offset_{offset}, begin_{offset} {
  }

  /// Where the record of a region is put, between begin_region and end_region.
  [[nodiscard]] backup_buffer& record() noexcept {
    return payload_;
  }

  void begin_region(std::uint32_t region) noexcept {
    region_ = region;
    row_begin_ = payload_.size();
    row_entries_ = 0;
  }

  /// After each entry.
  void entry_added() {
    ++row_entries_;
    if (payload_.size() >= frame_bytes) {
      end_region();
      flush();
      begin_region(region_);
      continued_ = true;
    }
  }

  /// Ends the record. An empty one counts as well: nothing is left of the
  /// region.
  void end_region();

  void add_namespaces(std::span<const char> rows);

  /// Writes what is gathered and the commit frame.
  void commit(const backup_format::commit_totals& totals);

  /// Writes what is gathered.
  void flush();

  [[nodiscard]] const expected<void>& failed() const noexcept {
    return result_;
  }

  /// Where the next frame goes.
  [[nodiscard]] std::uint64_t offset() const noexcept {
    return offset_;
  }

  /// Bytes gathered and written since this was made.
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return offset_ - begin_ + payload_.size();
  }

private:
  void write_frame(backup_format::frame_header header,
                   std::span<const backup_format::region_row> rows,
                   std::span<const char> payload);

  [[nodiscard]] std::uint64_t seed() const noexcept {
    return backup_format::place_seed(chain_id_, kind_, offset_);
  }

  disk_file* file_;
  backup_format::file_kind kind_;
  std::uint64_t chain_id_;
  std::uint64_t generation_;
  std::uint64_t offset_;
  std::uint64_t begin_;
  backup_buffer payload_;
  backup_buffer head_;
  std::vector<backup_format::region_row> rows_;
  std::uint32_t region_ = 0;
  std::size_t row_begin_ = 0;
  std::uint32_t row_entries_ = 0;
  std::uint32_t entries_ = 0;
  bool continued_ = false;
  expected<void> result_;
};

} // namespace neuroplex::memory::detail
