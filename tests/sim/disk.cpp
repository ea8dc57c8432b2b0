#include "tests/sim/disk.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

disk::disk(kernel& world, const plan& faults, std::uint64_t number,
           std::function<void(std::function<void()>)> deliver)
  : world_{world}, faults_{faults}, dice_{world.stream("disk", number)},
    deliver_{std::move(deliver)} {
}

void disk::put(bytes& into, std::size_t offset,
               std::span<const std::byte> data) {
  if (into.size() < offset + data.size()) {
    into.resize(offset + data.size());
  }
  std::copy(data.begin(), data.end(),
            into.begin() + static_cast<std::ptrdiff_t>(offset));
}

errc disk::write(const std::string& file, std::size_t offset,
                 std::span<const std::byte> data) {
  if (full_) {
    ++counts_.refused;
    return errc::no_space;
  }
  auto& state = files_[file];
  put(state.seen, offset, data);
  state.pending.push_back({offset, bytes{data.begin(), data.end()}});
  return errc::ok;
}

void disk::sync(const std::string& file, answer done) {
  ++counts_.syncs;
  auto when =
    world_.now() + dice_.mostly_low(faults_.least_sync, faults_.most_sync);
  if (dice_.chance_ppm(faults_.stall_ppm)) {
    ++counts_.stalls;
    when += dice_.between(nanoseconds{0}, faults_.stall);
  }
  const auto bad = dice_.chance_ppm(faults_.failed_sync_ppm);
  when = std::max(when, last_answer_);
  last_answer_ = when;
  world_.at(when, [this, file, writes = files_[file].pending.size(),
                   generation = generation_, bad, done = std::move(done)] {
    if (generation == generation_) {
      const auto fails = bad && !calm_;
      finish_sync(file, writes, fails);
      deliver_([done, fails] { done(fails ? errc::io : errc::ok); });
    }
  });
}

void disk::finish_sync(const std::string& file, std::size_t writes,
                       bool fails) {
  const auto found = files_.find(file);
  if (found == files_.end()) {
    return;
  }
  auto& state = found->second;
  // An earlier sync may have covered some of them already.
  writes = std::min(writes, state.pending.size());
  counts_.failed_syncs += fails ? 1 : 0;
  for (std::size_t number = 0; number < writes; ++number) {
    const auto& write = state.pending[number];
    if (!fails || dice_.coin()) {
      put(state.durable, write.offset, write.data);
    }
  }
  state.pending.erase(state.pending.begin(),
                      state.pending.begin()
                        + static_cast<std::ptrdiff_t>(writes));
}

void disk::remove(const std::string& file) {
  files_.erase(file);
}

void disk::prepare(const std::string& file, const bytes& content) {
  files_[file] = {content, content, {}};
}

const disk::bytes& disk::read(const std::string& file) const {
  static const bytes nothing;
  const auto found = files_.find(file);
  return found == files_.end() ? nothing : found->second.seen;
}

std::vector<std::string> disk::list() const {
  std::vector<std::string> result;
  for (const auto& [name, state] : files_) {
    result.push_back(name);
  }
  return result;
}

void disk::settle(file_state& file, const pending_write& write) {
  const auto fate = dice_.below(3);
  if (fate == 0) {
    ++counts_.lost;
    return;
  }
  if (fate == 1) {
    ++counts_.kept;
    put(file.durable, write.offset, write.data);
    return;
  }
  ++counts_.torn;
  const std::span<const std::byte> data{write.data};
  for (std::size_t done = 0; done < data.size();) {
    const auto offset = write.offset + done;
    const auto until_sector_ends = sector_bytes - offset % sector_bytes;
    const auto part = std::min(until_sector_ends, data.size() - done);
    if (dice_.coin()) {
      put(file.durable, offset, data.subspan(done, part));
    }
    done += part;
  }
}

void disk::crash() {
  ++generation_;
  last_answer_ = world_.now();
  for (auto& [name, file] : files_) {
    if (faults_.kinds.has(fault::torn_write)) {
      for (const auto& write : file.pending) {
        settle(file, write);
      }
    } else {
      // A disk without surprises keeps the first few.
      const auto kept = dice_.below(file.pending.size() + 1);
      counts_.kept += kept;
      counts_.lost += file.pending.size() - kept;
      for (std::size_t number = 0; number < kept; ++number) {
        put(file.durable, file.pending[number].offset,
            file.pending[number].data);
      }
    }
    file.pending.clear();
    file.seen = file.durable;
  }
}

void disk::wipe() {
  ++generation_;
  files_.clear();
}

void disk::rot(const std::string& file, std::size_t offset, unsigned bit) {
  const auto found = files_.find(file);
  if (found == files_.end() || offset >= found->second.durable.size()) {
    return;
  }
  ++counts_.rotten;
  const auto flipped = static_cast<std::byte>(1U << (bit % 8));
  found->second.durable[offset] ^= flipped;
  if (offset < found->second.seen.size()) {
    found->second.seen[offset] ^= flipped;
  }
}

void disk::calm() noexcept {
  faults_.stall_ppm = 0;
  faults_.failed_sync_ppm = 0;
  full_ = false;
  calm_ = true;
}

} // namespace neuroplex::sim
