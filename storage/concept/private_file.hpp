// A file that processes of one user map and lock, and nobody else can open.
//
// Purpose: what files of rings and of snapshots have in common: made without a
// name until they are whole, backed by memory before they are touched, checked
// before they are mapped, and locks by number that say who is alive.
//
// Locks are open-file-description locks (F_OFD_SETLK) on byte numbers beyond
// any file's end: they end with the process however it ends, and are not
// confused by a process id that is used again. A child of fork() shares them.
//
// Threads: any.
//
// Failure behaviour: `bad_path`, `not_found`, `exists`; `no_space`, `io`;
// `segment_mode` for a file that is another user's or open to others.
#pragma once

#include "memory/status.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace neuroplex::concepts {

class private_file {
public:
  /// A new file in the folder of `path`, without a name yet, of `bytes`.
  static expected<private_file> make(const std::string& path,
                                     std::uint64_t bytes);

  static expected<private_file> open(const std::string& path, bool read_only);

  private_file(private_file&& other) noexcept;
  private_file& operator=(private_file&&) = delete;
  ~private_file();

  /// Gives a new file its name.
  [[nodiscard]] expected<void> give_name() const;

  /// Backs [from, from + bytes) with memory or blocks, so that a full file
  /// system is an error here and no SIGBUS later.
  [[nodiscard]] expected<void> commit(std::uint64_t from,
                                      std::uint64_t bytes) const;

  [[nodiscard]] expected<std::uint64_t> bytes() const;
  [[nodiscard]] expected<void> write(std::string_view what) const;
  /// Reads the beginning; `corrupt` when the file is shorter.
  [[nodiscard]] expected<void> read(void* to, std::size_t bytes) const;

  [[nodiscard]] bool try_lock(std::uint32_t number) const noexcept;
  void unlock(std::uint32_t number) const noexcept;
  /// Whether another opening of the file holds a lock.
  [[nodiscard]] bool is_locked_elsewhere(std::uint32_t number) const noexcept;

  [[nodiscard]] int descriptor() const noexcept {
    return fd_;
  }
  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

private:
  private_file(int fd, std::string path) : fd_{fd}, path_{std::move(path)} {
  }

  [[nodiscard]] failure refused(errc code) const;

  int fd_;
  std::string path_;
};

} // namespace neuroplex::concepts
