// What a backup_writer does, step by step.
//
// A generation takes the marks of the regions away one by one and writes those
// regions out, then a commit frame, then flushes. If that does not succeed, the
// marks are put back, so the next attempt takes the same changes up again. The
// segment's backup record names the last generation that was committed; while
// it says "in progress", marks may have been taken and nothing written, so who
// finds that begins with a new base.
#pragma once

#include "memory/backup.hpp"
#include "memory/backup_capture.hpp"
#include "memory/backup_frames.hpp"
#include "memory/mapping.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace neuroplex::memory::detail {

inline constexpr std::uint32_t backup_lock = namespace_lock + 16;

class backup_writer_impl {
public:
  static expected<std::unique_ptr<backup_writer_impl>>
  open(store_impl& source, std::unique_ptr<disk_directory> medium,
       const backup_options& options);

  backup_writer_impl(const backup_writer_impl&) = delete;
  backup_writer_impl& operator=(const backup_writer_impl&) = delete;
  ~backup_writer_impl();

  expected<std::optional<backup_report>> step(std::uint64_t budget_bytes);

  [[nodiscard]] bool in_progress() const noexcept {
    return frames_.has_value();
  }

private:
  using namespace_words = std::array<std::uint32_t, limits::max_namespaces>;

  backup_writer_impl(store_impl& source, mapping guard,
                     std::unique_ptr<disk_directory> medium,
                     const backup_options& options);

  expected<void> go_on_with_what_is_there();
  expected<void> begin();
  expected<void> begin_base();
  expected<void> begin_log();
  expected<backup_report> commit();
  expected<void> publish_base();
  failure fail(const failure& why);
  void remove_superseded();

  [[nodiscard]] std::uint32_t next_region(std::uint32_t from) const noexcept;
  [[nodiscard]] backup_format::file_header
  make_header(backup_format::file_kind kind) const;
  [[nodiscard]] std::string namespace_rows(const namespace_words& before) const;
  [[nodiscard]] namespace_words read_namespace_words() const noexcept;

  [[nodiscard]] const basic_arena<native_sync>& arena() const noexcept {
    return source_.arena();
  }

  store_impl& source_;
  mapping guard_; ///< holds the segment's backup lock
  std::unique_ptr<disk_directory> medium_;
  backup_options options_;
  backup_capture capture_;

  // What is on the disk.
  std::uint64_t chain_id_ = 0;
  std::uint64_t base_generation_ = 0;
  std::uint64_t base_bytes_ = 0;
  std::uint64_t generation_ = 0; ///< the last that was committed
  std::uint64_t highest_ = 0;    ///< numbers up to here are used up
  std::unique_ptr<disk_file> log_;
  std::uint64_t log_end_ = 0;
  std::uint64_t fold_at_ = 0; ///< length of the log that calls for a base
  std::string rows_;          ///< namespaces as they were last written
  bool appendable_ = false;   ///< the log may go on

  // The generation that is being written.
  std::optional<backup_frames> frames_;
  std::unique_ptr<disk_file> base_; ///< while a base is written
  std::uint64_t new_chain_id_ = 0;
  bool new_log_ = false; ///< its name is not on the disk yet
  bool broken_ = false;  ///< what is on the disk cannot be told any more
  std::uint32_t next_ = 0;
  std::uint64_t regions_ = 0;
  std::vector<std::uint32_t> taken_; ///< regions whose marks were taken away
  namespace_words words_{};
  std::chrono::steady_clock::time_point began_;
};

} // namespace neuroplex::memory::detail
