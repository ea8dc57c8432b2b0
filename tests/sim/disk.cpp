#include "tests/sim/disk.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

namespace {

constexpr std::uint64_t flushes_that_may_turn_out_wrong = 3;

} // namespace

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

void disk::change(names& among, const name_change& what) {
  auto file = what.file;
  if (!what.from.empty()) {
    const auto found = among.find(what.from);
    if (found == among.end()) {
      return;
    }
    file = found->second;
    among.erase(found);
  }
  if (!what.to.empty()) {
    among[what.to] = file;
  }
}

// --- for who lives from event to event ---------------------------------------

disk::inode& disk::file_named(const std::string& name) {
  auto& file = names_[name];
  if (!file) {
    file = std::make_shared<inode>();
    durable_names_[name] = file;
  }
  return *file;
}

void disk::write(inode& file, std::size_t offset,
                 std::span<const std::byte> data, std::uint64_t after) {
  put(file.seen, offset, data);
  file.pending.push_back(
    {++writes_, offset, bytes{data.begin(), data.end()}, after});
}

errc disk::write(const std::string& file, std::size_t offset,
                 std::span<const std::byte> data) {
  if (full_) {
    ++counts_.refused;
    return errc::no_space;
  }
  write(file_named(file), offset, data, 0);
  return errc::ok;
}

nanoseconds disk::draw_sync_time() {
  ++counts_.syncs;
  auto time = dice_.mostly_low(faults_.least_sync, faults_.most_sync);
  if (dice_.chance_ppm(faults_.stall_ppm)) {
    ++counts_.stalls;
    time += dice_.between(nanoseconds{0}, faults_.stall);
  }
  return time;
}

bool disk::draw_failure() {
  return dice_.chance_ppm(faults_.failed_sync_ppm);
}

void disk::sync(const std::string& file, answer done) {
  auto when = std::max(world_.now() + draw_sync_time(), last_answer_);
  const auto bad = draw_failure();
  last_answer_ = when;
  file_named(file);
  world_.at(when, [this, file = names_[file], last_write = writes_,
                   generation = generation_, bad, done = std::move(done)] {
    if (generation == generation_) {
      const auto fails = bad && !calm_;
      finish_sync(*file, last_write, fails, false);
      deliver_([done, fails] { done(fails ? errc::io : errc::ok); });
    }
  });
}

void disk::finish_sync(inode& file, std::uint64_t last_write, bool fails,
                       bool of_waiting_code) {
  counts_.failed_syncs += fails ? 1 : 0;
  auto batch = false;
  std::vector<pending_write> reached;
  std::erase_if(file.pending, [&](pending_write& write) {
    if (write.number > last_write || write.forgotten) {
      return false;
    }
    if (fails && dice_.coin()) {
      write.forgotten = true;
      return false;
    }
    batch = batch || write.offset > 0;
    reached.push_back(std::move(write));
    return true;
  });
  for (const auto& write : reached) {
    if (of_waiting_code && !fails) {
      note_landed(file, write);
    }
    put(file.durable, write.offset, write.data);
    write_over_forgotten(file, write);
  }
  if (!fails && batch && of_waiting_code) {
    ++batch_flushes_;
  }
}

// What was forgotten can no longer be read where something was written since.
void disk::write_over_forgotten(inode& file, const pending_write& newer) {
  const auto begin = newer.offset;
  const auto end = begin + newer.data.size();
  std::vector<pending_write> left;
  for (auto& old : file.pending) {
    const auto old_end = old.offset + old.data.size();
    if (!old.forgotten || old.number > newer.number || old_end <= begin
        || old.offset >= end) {
      left.push_back(std::move(old));
      continue;
    }
    const std::span<const std::byte> data{old.data};
    const auto keep = [&](std::size_t from, std::size_t to) {
      if (from < to) {
        const auto part = data.subspan(from - old.offset, to - from);
        left.push_back(
          {old.number, from, {part.begin(), part.end()}, old.after, true});
      }
    };
    keep(old.offset, begin);
    keep(end, old_end);
  }
  file.pending = std::move(left);
}

void disk::remove(const std::string& file) {
  names_.erase(file);
  durable_names_.erase(file);
}

void disk::rename(const std::string& from, const std::string& to) {
  change(names_, {from, to, nullptr});
  change(durable_names_, {from, to, nullptr});
}

void disk::prepare(const std::string& file, const bytes& content) {
  auto& made = file_named(file);
  made.seen = content;
  made.durable = content;
}

const disk::bytes& disk::read(const std::string& file) const {
  static const bytes nothing;
  const auto found = names_.find(file);
  return found == names_.end() ? nothing : found->second->seen;
}

std::vector<std::string> disk::list() const {
  std::vector<std::string> result;
  for (const auto& [name, state] : names_) {
    result.push_back(name);
  }
  return result;
}

// --- for code that waits -----------------------------------------------------

class waiting_file final : public memory::disk_file {
public:
  waiting_file(disk& owner, std::shared_ptr<disk::inode> file)
    : owner_{owner}, file_{std::move(file)} {
  }

  expected<std::size_t> write_at(std::uint64_t offset,
                                 std::span<const char> data) override {
    // What a file has already, it may write over.
    if (owner_.full_ && offset + data.size() > file_->seen.size()) {
      ++owner_.counts_.refused;
      return failure{errc::no_space, "the disk is full"};
    }
    owner_.write(*file_, offset, std::as_bytes(data), owner_.flushes_asked_);
    return data.size();
  }

  expected<std::size_t> read_at(std::uint64_t offset,
                                std::span<char> data) const override {
    const auto& seen = file_->seen;
    if (offset >= seen.size()) {
      return std::size_t{0};
    }
    const auto size = std::min<std::size_t>(data.size(), seen.size() - offset);
    const auto from = std::span{seen}.subspan(offset, size);
    std::copy(from.begin(), from.end(), std::as_writable_bytes(data).begin());
    return size;
  }

  [[nodiscard]] expected<std::uint64_t> size() const override {
    return std::uint64_t{file_->seen.size()};
  }

  expected<void> truncate(std::uint64_t /*size*/) override {
    return failure{errc::io, "a simulated file cannot be cut"};
  }

  expected<void> sync() override {
    if (owner_.wait_for_flush(file_) != errc::ok) {
      return failure{errc::io, "the flush failed"};
    }
    return {};
  }

private:
  disk& owner_;
  std::shared_ptr<disk::inode> file_;
};

class waiting_directory final : public memory::disk_directory {
public:
  explicit waiting_directory(disk& owner) : owner_{owner} {
  }

  expected<std::vector<std::string>> list() override {
    return owner_.list();
  }

  expected<std::unique_ptr<memory::disk_file>>
  open(const std::string& name, bool /*writable*/) override {
    const auto found = owner_.names_.find(name);
    if (found == owner_.names_.end()) {
      return failure{errc::not_found, name + ": no such file"};
    }
    return std::unique_ptr<memory::disk_file>{
      std::make_unique<waiting_file>(owner_, found->second)};
  }

  expected<std::unique_ptr<memory::disk_file>>
  create(const std::string& name) override {
    if (owner_.full_) {
      ++owner_.counts_.refused;
      return failure{errc::no_space, "the disk is full"};
    }
    auto file = std::make_shared<disk::inode>();
    change({"", name, file});
    return std::unique_ptr<memory::disk_file>{
      std::make_unique<waiting_file>(owner_, std::move(file))};
  }

  expected<void> rename(const std::string& from,
                        const std::string& to) override {
    change({from, to, nullptr});
    return {};
  }

  expected<void> remove(const std::string& name) override {
    change({name, "", nullptr});
    return {};
  }

  expected<void> sync_names() override {
    if (owner_.wait_for_flush(nullptr) != errc::ok) {
      return failure{errc::io, "the flush failed"};
    }
    return {};
  }

  expected<void> lock() override {
    return {};
  }

  [[nodiscard]] std::string where() const override {
    return "simulated";
  }

private:
  void change(disk::name_change what) {
    what.after = owner_.flushes_asked_;
    disk::change(owner_.names_, what);
    owner_.unflushed_names_.push_back(std::move(what));
  }

  disk& owner_;
};

std::unique_ptr<memory::disk_directory> disk::open_directory() {
  return std::make_unique<waiting_directory>(*this);
}

void disk::when_flushed(std::function<void()> done) {
  world_.at(std::max(waiting_until_, world_.now()),
            [this, generation = generation_, done = std::move(done)] {
              if (generation == generation_) {
                deliver_(done);
              }
            });
}

// Answers at once what will be.
errc disk::wait_for_flush(const std::shared_ptr<inode>& file) {
  const auto begin = std::max(world_.now(), waiting_until_);
  waiting_until_ = std::max(begin + draw_sync_time(), last_answer_);
  last_answer_ = waiting_until_;
  const auto fails = draw_failure();
  world_.at(waiting_until_,
            [this, file, fails, last_write = writes_, number = ++flushes_asked_,
             generation = generation_] {
              if (generation != generation_) {
                return;
              }
              flushes_ended_ = number;
              if (file) {
                finish_sync(*file, last_write, fails, true);
              } else if (!fails) {
                flush_names(number);
              }
            });
  return fails ? errc::io : errc::ok;
}

// A log is written on and on: what lay behind is of no meaning any more.
void disk::note_landed(inode& file, const pending_write& write) {
  std::erase_if(file.landed, [&](const landed_write& one) {
    return one.offset >= write.offset;
  });
  if (write.offset == 0) {
    return;
  }
  const auto end =
    std::min(file.durable.size(), write.offset + write.data.size());
  bytes before;
  if (write.offset < end) {
    before.assign(file.durable.begin()
                    + static_cast<std::ptrdiff_t>(write.offset),
                  file.durable.begin() + static_cast<std::ptrdiff_t>(end));
  }
  file.landed.push_back(
    {write.offset, write.data, std::move(before), batch_flushes_ + 1});
}

void disk::flush_names(std::uint64_t number) {
  std::erase_if(unflushed_names_, [&](const name_change& what) {
    if (what.after >= number) {
      return false;
    }
    change(durable_names_, what);
    return true;
  });
}

// --- faults ------------------------------------------------------------------

void disk::forget_what_never_happened() {
  const auto never = [&](const auto& what) {
    return what.after > flushes_ended_;
  };
  std::erase_if(unflushed_names_, never);
  names_ = durable_names_;
  for (const auto& what : unflushed_names_) {
    change(names_, what);
  }
  for (auto* among : {&names_, &durable_names_}) {
    for (auto& [name, file] : *among) {
      std::erase_if(file->pending, never);
      for (auto& write : file->pending) {
        write.after = 0;
      }
    }
  }
  for (auto& what : unflushed_names_) {
    what.after = 0;
  }
  flushes_asked_ = 0;
  flushes_ended_ = 0;
  waiting_until_ = world_.now();
  last_answer_ = world_.now();
}

// Names are as at some moment since they were flushed.
void disk::settle_names() {
  const auto kept = dice_.below(unflushed_names_.size() + 1);
  counts_.names_lost += unflushed_names_.size() - kept;
  for (std::size_t number = 0; number < kept; ++number) {
    change(durable_names_, unflushed_names_[number]);
  }
  unflushed_names_.clear();
  names_ = durable_names_;
}

void disk::tear(inode& file, const pending_write& write) {
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

void disk::settle(inode& file) {
  std::erase_if(file.pending,
                [](const pending_write& write) { return write.forgotten; });
  // A disk without surprises keeps the first few.
  auto kept = dice_.below(file.pending.size() + 1);
  for (const auto& write : file.pending) {
    const auto torn = faults_.kinds.has(fault::torn_write);
    const auto fate = torn ? dice_.below(3) : kept > 0 ? 0 : 1;
    kept -= kept > 0 ? 1 : 0;
    if (fate == 0) {
      ++counts_.kept;
      put(file.durable, write.offset, write.data);
    } else if (fate == 1) {
      ++counts_.lost;
    } else {
      tear(file, write);
    }
  }
  file.pending.clear();
  file.seen = file.durable;
}

void disk::crash(stop how) {
  ++generation_;
  forget_what_never_happened();
  if (how == stop::power_loss) {
    settle_names();
    for (auto& [name, file] : names_) {
      settle(*file);
    }
    return;
  }
  for (auto& [name, file] : names_) {
    file->seen = file->durable;
    for (const auto& write : file->pending) {
      put(file->seen, write.offset, write.data);
    }
  }
}

void disk::wipe() {
  ++generation_;
  names_.clear();
  durable_names_.clear();
  unflushed_names_.clear();
  forget_what_never_happened();
}

void disk::rot(const std::string& file, std::size_t offset, unsigned bit) {
  const auto found = names_.find(file);
  if (found == names_.end() || offset >= found->second->durable.size()) {
    return;
  }
  ++counts_.rotten;
  const auto flipped = static_cast<std::byte>(1U << (bit % 8));
  found->second->durable[offset] ^= flipped;
  if (offset < found->second->seen.size()) {
    found->second->seen[offset] ^= flipped;
  }
}

std::vector<std::pair<disk::inode*, disk::landed_write*>>
disk::landed_since(std::uint64_t first_flush, std::uint64_t last_flush) {
  std::vector<std::pair<inode*, landed_write*>> result;
  for (auto& [name, file] : durable_names_) {
    for (auto& write : file->landed) {
      if (write.flush >= first_flush && write.flush <= last_flush) {
        result.emplace_back(file.get(), &write);
      }
    }
  }
  return result;
}

bool disk::rot_what_is_vouched_for(dice& thrown) {
  const auto found = landed_since(
    0, batch_flushes_ - std::min<std::uint64_t>(batch_flushes_, 1));
  if (found.empty()) {
    return false;
  }
  const auto [file, write] = found[thrown.below(found.size())];
  const auto offset = write->offset + thrown.below(write->data.size());
  const auto flipped = static_cast<std::byte>(1U << thrown.below(8));
  ++counts_.rotten;
  file->durable[offset] ^= flipped;
  file->seen[offset] ^= flipped;
  return true;
}

bool disk::misdirect(dice& thrown) {
  const auto found = landed_since(
    batch_flushes_ - std::min(batch_flushes_, flushes_that_may_turn_out_wrong),
    batch_flushes_);
  if (found.empty()) {
    return false;
  }
  const auto [file, write] = found[thrown.below(found.size())];
  const auto sectors_before = write->offset / sector_bytes;
  const auto sectors =
    sectors_before
    + (file->durable.size() - write->offset - write->data.size())
        / sector_bytes;
  const auto sector = thrown.below(sectors + 1);
  // Where the same bytes were before, nothing is missing; and what is being
  // written now might fall on what landed elsewhere.
  if (sector == sectors_before || !file->pending.empty()
      || write->before == write->data) {
    return false;
  }
  const auto elsewhere = write->offset % sector_bytes + sector * sector_bytes;
  for (auto* content : {&file->durable, &file->seen}) {
    put(*content, write->offset, write->before);
    put(*content, elsewhere, write->data);
  }
  ++counts_.misdirected;
  return true;
}

void disk::calm() noexcept {
  faults_.stall_ppm = 0;
  faults_.failed_sync_ppm = 0;
  full_ = false;
  calm_ = true;
}

} // namespace neuroplex::sim
