// Reads one segment of the durable log, and tells a torn tail from damage.
//
// Threads: one at a time.
//
// Failure behaviour: nothing is changed. Whatever the bytes are, what is read
// is within the file, and what is told carried a right checksum.
#pragma once

#include "storage/log/durable_log.hpp"
#include "storage/log/format.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace neuroplex::storage {

inline constexpr std::string_view spare_prefix = "spare-";

[[nodiscard]] std::string segment_name(std::uint64_t number);
[[nodiscard]] std::string spare_name(std::uint64_t number);

/// The number in the name of a segment; nothing for any other name.
[[nodiscard]] std::optional<std::uint64_t>
segment_number(std::string_view name);

[[nodiscard]] std::uint64_t
checksum_of(const log_format::segment_head& head) noexcept;
[[nodiscard]] std::uint64_t
head_checksum_of(std::uint64_t salt,
                 const log_format::batch_head& head) noexcept;
[[nodiscard]] std::uint64_t checksum_of(const log_format::batch_head& head,
                                        std::string_view records) noexcept;

class segment_reader {
public:
  /// `config`: of another node or cluster; `version`, `corrupt`, `io`.
  static expected<segment_reader> open(memory::disk_directory& where,
                                       std::uint64_t number,
                                       const log_identity& whose);

  [[nodiscard]] const log_format::segment_head& head() const noexcept {
    return head_;
  }

  /// Tells the records of all batches, and answers where they end.
  expected<std::uint64_t> read(const durable_log::visitor& tell,
                               log_recovery& found);

  /// Of the last segment, which ends at `end`: how many bytes a batch has there
  /// that never became durable. `corrupt` when the next batch or a later one
  /// lies behind: then it is no torn tail.
  expected<std::uint64_t> check_tail(std::uint64_t end);

  /// Writes the last batch once more, the same bytes to the same place, and
  /// waits until it is durable.
  expected<void> write_last_again(std::uint64_t end);

  /// The number of the batch that is to come next.
  [[nodiscard]] batch_number next_batch() const noexcept {
    return next_batch_;
  }

  std::unique_ptr<memory::disk_file> take_file() noexcept {
    return std::move(file_);
  }

private:
  segment_reader(std::unique_ptr<memory::disk_file> file, std::string path)
    : file_{std::move(file)}, path_{std::move(path)} {
  }

  expected<void> check_head(std::uint64_t number, const log_identity& whose);
  expected<bool> read_head(std::uint64_t at, log_format::batch_head& batch);
  expected<bool> read_batch(std::uint64_t at, log_format::batch_head& batch);
  expected<bool> tell_records(const log_format::batch_head& batch,
                              const durable_log::visitor& tell) const;
  expected<bool> batch_from(std::uint64_t from);
  [[nodiscard]] failure damaged(std::uint64_t at, std::string_view what) const;

  std::unique_ptr<memory::disk_file> file_;
  std::string path_;
  log_format::segment_head head_{};
  batch_number next_batch_ = 0;
  std::uint64_t last_begin_ = 0; ///< of the last whole batch; 0 if none
  std::string records_;          ///< of the batch that was read last
};

} // namespace neuroplex::storage
