// A disk in memory that fails when told, and forgets at a crash what it may
// forget: writes that were not flushed, whole or in parts, and names that were
// not flushed, from some point on.
#pragma once

#include "memory/disk_directory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace neuroplex::memory::testing {

/// What happens at step `at`, counted from the moment the fault is set.
struct disk_fault {
  enum class kind {
    none,
    killed,       ///< the step does not happen, and none after it
    killed_after, ///< the step happens (a write by half), and none after it
    no_space,     ///< this step, and nothing else, is refused
    out_of_space, ///< this step and all that need room are refused
    io_error,     ///< this step is refused; a flush loses what it was to flush
    /// As io_error, but what was lost can be read until the power goes, and no
    /// later flush writes it.
    io_error_unseen,
  };

  kind what = kind::none;
  std::uint64_t at = std::numeric_limits<std::uint64_t>::max();
};

class faulty_disk {
public:
  struct write {
    std::uint64_t offset;
    std::string bytes;
    bool cut = false; ///< shortened to `offset`
  };

  struct inode {
    std::string flushed;
    std::string now;
    std::vector<write> pending;
  };

  using names = std::map<std::string, std::shared_ptr<inode>>;

  /// Sets a fault; steps are counted anew.
  void set(const disk_fault& fault) {
    fault_ = fault;
    steps_ = 0;
    dead_ = false;
  }

  /// Writes are cut to this many bytes each.
  std::size_t most_a_write = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] std::uint64_t steps() const {
    return steps_;
  }

  /// Whether the fault has come.
  [[nodiscard]] bool struck() const {
    return steps_ > fault_.at;
  }

  /// The disk after the power went: pieces of 512 bytes of what was not flushed
  /// are there or not, names are as at some moment since they were flushed.
  void lose_power(std::uint32_t seed) {
    std::mt19937 random{seed};
    constexpr std::size_t sector = 512;
    auto kept = name_history_.begin()
                + static_cast<std::ptrdiff_t>(random() % name_history_.size());
    names_ = *kept;
    name_history_ = {names_};
    for (auto& [name, file] : names_) {
      file->now = file->flushed;
      for (auto& each : file->pending) {
        if (each.cut) {
          if (random() % 2 == 0)
            file->now.resize(each.offset);
          continue;
        }
        for (std::size_t at = 0; at < each.bytes.size(); at += sector) {
          if (random() % 3 == 0)
            continue;
          auto piece = std::min(sector, each.bytes.size() - at);
          if (file->now.size() < each.offset + at + piece)
            file->now.resize(each.offset + at + piece);
          file->now.replace(each.offset + at, piece, each.bytes, at, piece);
        }
      }
      file->flushed = file->now;
      file->pending.clear();
    }
    set({});
  }

  /// A process was killed: all it had written is there.
  void go_on() {
    set({});
  }

  names& files() {
    return names_;
  }

  /// A medium on this disk, which must outlive it.
  std::unique_ptr<disk_directory> medium();

private:
  friend class faulty_file;
  friend class faulty_medium;

  enum class step_kind { write, room, flush, other };
  enum class verdict { go, half, refuse_space, refuse_io };

  verdict step(step_kind kind) {
    if (dead_)
      return verdict::refuse_io;
    auto number = steps_++;
    bool needs_room = kind == step_kind::write || kind == step_kind::room;
    if (number < fault_.at)
      return verdict::go;
    switch (fault_.what) {
      case disk_fault::kind::none:
        return verdict::go;
      case disk_fault::kind::killed:
        dead_ = true;
        return verdict::refuse_io;
      case disk_fault::kind::killed_after:
        dead_ = true;
        return verdict::half;
      case disk_fault::kind::no_space:
        return number == fault_.at && needs_room ? verdict::refuse_space
                                                 : verdict::go;
      case disk_fault::kind::out_of_space:
        return needs_room ? verdict::refuse_space : verdict::go;
      case disk_fault::kind::io_error:
      case disk_fault::kind::io_error_unseen:
        return number == fault_.at ? verdict::refuse_io : verdict::go;
    }
    return verdict::go;
  }

  void names_changed() {
    name_history_.push_back(names_);
  }

  names names_;
  std::vector<names> name_history_{names{}};
  disk_fault fault_;
  std::uint64_t steps_ = 0;
  bool dead_ = false;
};

class faulty_file final : public disk_file {
public:
  faulty_file(faulty_disk& disk, std::shared_ptr<faulty_disk::inode> file)
    : disk_{disk}, file_{std::move(file)} {
  }

  expected<std::size_t> write_at(std::uint64_t offset,
                                 std::span<const char> bytes) override {
    auto verdict = disk_.step(faulty_disk::step_kind::write);
    if (verdict == faulty_disk::verdict::refuse_space)
      return failure{errc::no_space, "the disk is full"};
    if (verdict == faulty_disk::verdict::refuse_io)
      return failure{errc::io, "the disk is gone"};
    auto size = std::min(bytes.size(), disk_.most_a_write);
    if (verdict == faulty_disk::verdict::half)
      size = (size + 1) / 2;
    if (file_->now.size() < offset + size)
      file_->now.resize(offset + size);
    std::memcpy(file_->now.data() + offset, bytes.data(), size);
    file_->pending.push_back({offset, std::string{bytes.data(), size}});
    if (verdict == faulty_disk::verdict::half)
      return failure{errc::io, "the disk is gone"};
    return size;
  }

  expected<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> bytes) const override {
    if (offset >= file_->now.size())
      return std::size_t{0};
    auto size = std::min<std::size_t>(bytes.size(), file_->now.size() - offset);
    std::memcpy(bytes.data(), file_->now.data() + offset, size);
    return size;
  }

  [[nodiscard]] expected<std::uint64_t> size() const override {
    return std::uint64_t{file_->now.size()};
  }

  expected<void> truncate(std::uint64_t bytes) override {
    auto verdict = disk_.step(faulty_disk::step_kind::other);
    if (verdict == faulty_disk::verdict::refuse_io)
      return failure{errc::io, "the disk is gone"};
    file_->now.resize(bytes);
    file_->pending.push_back({bytes, {}, true});
    if (verdict == faulty_disk::verdict::half)
      return failure{errc::io, "the disk is gone"};
    return {};
  }

  expected<void> sync() override {
    auto verdict = disk_.step(faulty_disk::step_kind::flush);
    if (verdict == faulty_disk::verdict::refuse_io) {
      // What could not be written is marked clean, and lost.
      if (disk_.fault_.what == disk_fault::kind::io_error)
        file_->now = file_->flushed;
      if (disk_.fault_.what == disk_fault::kind::io_error
          || disk_.fault_.what == disk_fault::kind::io_error_unseen)
        file_->pending.clear();
      return failure{errc::io, "the disk is gone"};
    }
    flush();
    if (verdict == faulty_disk::verdict::half)
      return failure{errc::io, "the disk is gone"};
    return {};
  }

private:
  void flush() {
    auto& flushed = file_->flushed;
    for (const auto& each : file_->pending) {
      if (each.cut || flushed.size() < each.offset + each.bytes.size())
        flushed.resize(each.offset + each.bytes.size());
      flushed.replace(each.offset, each.bytes.size(), each.bytes);
    }
    file_->pending.clear();
  }

  faulty_disk& disk_;
  std::shared_ptr<faulty_disk::inode> file_;
};

class faulty_medium final : public disk_directory {
public:
  explicit faulty_medium(faulty_disk& disk) : disk_{disk} {
  }

  expected<std::vector<std::string>> list() override {
    std::vector<std::string> result;
    for (auto& [name, file] : disk_.names_)
      result.push_back(name);
    return result;
  }

  expected<std::unique_ptr<disk_file>> open(const std::string& name,
                                            bool) override {
    auto found = disk_.names_.find(name);
    if (found == disk_.names_.end())
      return failure{errc::not_found, name + ": not there"};
    return std::unique_ptr<disk_file>{
      std::make_unique<faulty_file>(disk_, found->second)};
  }

  expected<std::unique_ptr<disk_file>>
  create(const std::string& name) override {
    return change<std::unique_ptr<disk_file>>(
      faulty_disk::step_kind::room, [&] {
        auto& file = disk_.names_[name];
        file = std::make_shared<faulty_disk::inode>();
        return std::unique_ptr<disk_file>{
          std::make_unique<faulty_file>(disk_, file)};
      });
  }

  expected<void> rename(const std::string& from,
                        const std::string& to) override {
    return change<void>(faulty_disk::step_kind::other, [&] {
      disk_.names_[to] = disk_.names_[from];
      disk_.names_.erase(from);
    });
  }

  expected<void> remove(const std::string& name) override {
    return change<void>(faulty_disk::step_kind::other,
                        [&] { disk_.names_.erase(name); });
  }

  expected<void> sync_names() override {
    auto verdict = disk_.step(faulty_disk::step_kind::flush);
    if (verdict == faulty_disk::verdict::refuse_io)
      return failure{errc::io, "the disk is gone"};
    disk_.name_history_ = {disk_.names_};
    if (verdict == faulty_disk::verdict::half)
      return failure{errc::io, "the disk is gone"};
    return {};
  }

  expected<void> lock() override {
    return {};
  }

  [[nodiscard]] std::string where() const override {
    return "in memory";
  }

private:
  template <class T, class Change>
  expected<T> change(faulty_disk::step_kind kind, Change&& change) {
    auto verdict = disk_.step(kind);
    if (verdict == faulty_disk::verdict::refuse_space)
      return failure{errc::no_space, "the disk is full"};
    if (verdict == faulty_disk::verdict::refuse_io)
      return failure{errc::io, "the disk is gone"};
    if constexpr (std::is_void_v<T>) {
      change();
      disk_.names_changed();
      if (verdict == faulty_disk::verdict::half)
        return failure{errc::io, "the disk is gone"};
      return {};
    } else {
      auto result = change();
      disk_.names_changed();
      if (verdict == faulty_disk::verdict::half)
        return failure{errc::io, "the disk is gone"};
      return result;
    }
  }

  faulty_disk& disk_;
};

inline std::unique_ptr<disk_directory> faulty_disk::medium() {
  return std::make_unique<faulty_medium>(*this);
}

} // namespace neuroplex::memory::testing
