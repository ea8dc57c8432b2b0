// The records of one simulated replica, as bytes on its disk.
//
// Purpose: what the driver of a core must keep: one file of writes, each a unit
// with a checksum that takes in the one before, so that what was cut off can
// never follow what was written in its place. `Format` names the state that the
// records add up to, a write, and the two ways between records and bytes.
//
// Threads: none; belongs to the kernel.
//
// Invariants: `load` gives all writes whose `store` was answered with ok, in
// order, and of the others a first part.
//
// Failure: a write that cannot be read ends the log; the disks of this world
// tear and lose what was not synced, they do not rot.
#pragma once

#include "consensus/slice.hpp"
#include "consensus/wire.hpp"
#include "tests/sim/machine.hpp"

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <xxhash.h>

namespace neuroplex::sim {

template <class Format>
class record_log {
public:
  using state = typename Format::state;
  using write = typename Format::write;

  explicit record_log(machine& box) : box_{box} {
  }

  /// Reads the disk after a start. What it gives may not be durable.
  [[nodiscard]] state load() {
    const auto& bytes = box_.storage().read(file_name);
    const std::string_view all{reinterpret_cast<const char*>(bytes.data()),
                               bytes.size()};
    durable_ = {};
    end_ = 0;
    last_checksum_ = 0;
    while (end_ + head_bytes <= all.size()) {
      wire_reader head{all.substr(end_, head_bytes)};
      const auto checksum = head.take<std::uint64_t>();
      const auto size = head.take<std::uint32_t>();
      const auto payload = all.substr(end_ + head_bytes, size);
      if (payload.size() != size || checksum != checksum_of(payload)
          || !apply_all(payload)) {
        break;
      }
      last_checksum_ = checksum;
      end_ += head_bytes + size;
    }
    return durable_;
  }

  /// `no_space` at once, else answers when it is durable or failed.
  [[nodiscard]] errc store(const write& what, std::function<void(errc)> done) {
    std::string payload;
    wire_writer out{payload};
    out.put(static_cast<std::uint32_t>(what.records.size()));
    for (const auto& one : what.records) {
      std::string encoded;
      Format::encode(one, encoded);
      out.put_bytes(encoded);
    }
    const auto checksum = checksum_of(payload);
    std::string framed;
    wire_writer frame{framed};
    frame.put(checksum);
    frame.put_bytes(payload);
    const auto code =
      box_.storage().write(file_name, end_, std::as_bytes(std::span{framed}));
    if (code != errc::ok) {
      return code;
    }
    end_ += framed.size();
    last_checksum_ = checksum;
    box_.storage().sync(file_name, [this, records = what.records,
                                    done = std::move(done)](errc result) {
      if (result == errc::ok) {
        for (const auto& one : records) {
          durable_.apply(one);
        }
      }
      done(result);
    });
    return errc::ok;
  }

  /// Writes what was read once more, and answers when it is durable or failed:
  /// a sync that failed before may have left it in memory only.
  [[nodiscard]] errc write_again(std::function<void(errc)> done) {
    const auto valid = std::span{box_.storage().read(file_name)}.first(end_);
    const std::vector<std::byte> copy{valid.begin(), valid.end()};
    const auto code = box_.storage().write(file_name, 0, copy);
    if (code == errc::ok) {
      box_.storage().sync(file_name, std::move(done));
    }
    return code;
  }

  /// What it holds even after a crash that keeps nothing else.
  [[nodiscard]] const state& durable() const noexcept {
    return durable_;
  }

private:
  static constexpr const char* file_name = "replica";
  static constexpr std::size_t head_bytes = 12;

  [[nodiscard]] std::uint64_t checksum_of(std::string_view payload) const {
    return XXH3_64bits_withSeed(payload.data(), payload.size(), last_checksum_);
  }

  [[nodiscard]] bool apply_all(std::string_view payload) {
    wire_reader in{payload};
    for (auto left = in.take<std::uint32_t>(); left > 0; --left) {
      const auto read =
        Format::decode(slice::copy_of(in.take_bytes(payload.size())));
      if (in.failed() || !read) {
        return false;
      }
      durable_.apply(*read);
    }
    return in.complete();
  }

  machine& box_;
  std::size_t end_ = 0;
  std::uint64_t last_checksum_ = 0;
  state durable_;
};

} // namespace neuroplex::sim
