// The directory that a backup or a log lies in, behind an interface as small as
// it can be, so that tests can let every single step fail, stop half-way or be
// the last one before a crash.
//
// Threads: a directory and its files are used by one thread, except read_at,
// which any number of threads may call at once.
#pragma once

#include "memory/status.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::memory {

class disk_file {
public:
  virtual ~disk_file() = default;

  /// Writes some of `bytes` at `offset` and answers how many, at least one.
  virtual expected<std::size_t> write_at(std::uint64_t offset,
                                         std::span<const char> bytes) = 0;

  /// Reads up to `bytes.size()` bytes; 0 at the end of the file.
  virtual expected<std::size_t> read_at(std::uint64_t offset,
                                        std::span<char> bytes) const = 0;

  [[nodiscard]] virtual expected<std::uint64_t> size() const = 0;

  virtual expected<void> truncate(std::uint64_t bytes) = 0;

  /// Has everything written so far on the disk.
  virtual expected<void> sync() = 0;
};

class disk_directory {
public:
  virtual ~disk_directory() = default;

  /// Names of all files.
  virtual expected<std::vector<std::string>> list() = 0;

  /// Opens `name`, to be written too if `writable`. `not_found`.
  virtual expected<std::unique_ptr<disk_file>> open(const std::string& name,
                                                    bool writable) = 0;

  /// Makes `name`, empty, in the place of any that is there.
  virtual expected<std::unique_ptr<disk_file>>
  create(const std::string& name) = 0;

  virtual expected<void> rename(const std::string& from,
                                const std::string& to) = 0;
  virtual expected<void> remove(const std::string& name) = 0;

  /// Has all names on the disk as they are now.
  virtual expected<void> sync_names() = 0;

  /// Keeps other writers out for as long as the directory is open. `locked`.
  virtual expected<void> lock() = 0;

  /// Where it is, for messages.
  [[nodiscard]] virtual std::string where() const = 0;
};

/// A directory of the file system; made if there is none and `make` is set.
/// Messages call it `kind`.
expected<std::unique_ptr<disk_directory>>
open_disk_directory(const std::string& path, bool make, std::string_view kind);

/// Writes all of `bytes`, in as many steps as it takes.
expected<void> write_fully(disk_file& file, std::uint64_t offset,
                           std::span<const char> bytes);

/// Puts `bytes` in the place of the file `name`, durably: after a crash there
/// is the one or the other, whole.
expected<void> replace_file(disk_directory& where, const std::string& name,
                            std::string_view bytes);

/// Fills `bytes`; answers false when the file ends before.
expected<bool> read_fully(const disk_file& file, std::uint64_t offset,
                          std::span<char> bytes);

} // namespace neuroplex::memory
