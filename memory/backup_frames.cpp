#include "memory/backup_frames.hpp"

namespace neuroplex::memory::detail {

namespace format = backup_format;

void backup_frames::end_region() {
  auto bytes = payload_.size() - row_begin_;
  // The rest of a region that was cut may be empty; it says nothing then.
  if (bytes != 0 || !continued_) {
    rows_.push_back(
      {region_, row_entries_, bytes,
       format::checksum_of(payload_.data() + row_begin_, bytes, seed())});
    entries_ += row_entries_;
  }
  continued_ = false;
  constexpr std::size_t most_rows = frame_bytes / sizeof(format::region_row);
  if (payload_.size() >= frame_bytes || rows_.size() >= most_rows)
    flush();
}

void backup_frames::flush() {
  if (rows_.empty())
    return;
  format::frame_header header{};
  header.kind = format::frame_kind::regions;
  header.entries = entries_;
  write_frame(header, rows_, payload_.bytes());
  rows_.clear();
  payload_.shorten(0);
  entries_ = 0;
}

void backup_frames::add_namespaces(std::span<const char> rows) {
  flush();
  format::frame_header header{};
  header.kind = format::frame_kind::namespaces;
  header.payload_checksum =
    format::checksum_of(rows.data(), rows.size(), seed());
  write_frame(header, {}, rows);
}

void backup_frames::commit(const format::commit_totals& totals) {
  flush();
  format::frame_header header{};
  header.kind = format::frame_kind::commit;
  header.payload_checksum = format::checksum_of(&totals, sizeof totals, seed());
  write_frame(header, {},
              {reinterpret_cast<const char*>(&totals), sizeof totals});
}

void backup_frames::write_frame(format::frame_header header,
                                std::span<const format::region_row> rows,
                                std::span<const char> payload) {
  if (!result_)
    return;
  header.magic = format::frame_magic;
  header.generation = generation_;
  header.rows = static_cast<std::uint32_t>(rows.size());
  header.payload_bytes = payload.size();
  header.table_checksum =
    format::checksum_of(rows.data(), rows.size_bytes(), seed());
  header.checksum = format::checksum_of(header, seed());
  head_.shorten(0);
  head_.append(&header, sizeof header);
  head_.append(rows.data(), rows.size_bytes());
  result_ = write_fully(*file_, offset_, head_.bytes());
  if (result_)
    result_ = write_fully(*file_, offset_ + head_.size(), payload);
  if (result_)
    offset_ += head_.size() + payload.size();
}

} // namespace neuroplex::memory::detail
