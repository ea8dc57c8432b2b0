#include "actors/agreement/log_writer.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace neuroplex::agreement {

namespace {

using namespace std::chrono_literals;

// When nothing more comes for so long, an empty batch vouches for the last.
constexpr auto idle_before_vouching = 200ms;

// Between two attempts while the disk is full.
constexpr auto pause_while_full = 100ms;

} // namespace

expected<log_writer::opened>
log_writer::open(std::unique_ptr<memory::disk_directory> where,
                 const storage::log_identity& whose,
                 const storage::log_options& options) {
  std::map<group_id, raft::log_image> images;
  auto wrong = expected<void>{};
  opened result;
  auto log = storage::durable_log::open(
    std::move(where), whose, options,
    [&](const storage::log_record& record, storage::batch_number batch) {
      auto& image =
        images.try_emplace(record.group, record.group).first->second;
      if (auto read = image.read(record, batch); !read && wrong)
        wrong = read;
    },
    &result.met);
  if (!log)
    return log.error();
  for (auto& [id, image] : images) {
    if (wrong)
      wrong = image.check();
    auto& state = result.groups[id];
    state.hard = image.hard();
    state.log.assign(image.entries().begin(), image.entries().end());
  }
  if (!wrong)
    return wrong.error();
  result.writer.reset(new log_writer(std::move(*log)));
  for (const auto& [id, image] : images)
    result.writer->log_.keep_from(id, image.first_needed());
  result.writer->images_ = std::move(images);
  return result;
}

log_writer::log_writer(storage::durable_log log)
  : log_{std::move(log)}, batch_{log_.max_batch_bytes()} {
}

log_writer::~log_writer() {
  stop();
}

void log_writer::start(std::function<void()> wake) {
  wake_ = std::move(wake);
  thread_ = std::thread{[this] { run(); }};
}

void log_writer::stop() noexcept {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void log_writer::submit(std::vector<job> what) {
  auto was_idle = false;
  {
    std::lock_guard guard{mutex_};
    was_idle = waiting_.empty();
    std::move(what.begin(), what.end(), std::back_inserter(waiting_));
  }
  if (was_idle)
    arrived_.notify_one();
}

bool log_writer::collect(std::vector<written>& done) {
  std::lock_guard guard{mutex_};
  done.insert(done.end(), done_.begin(), done_.end());
  done_.clear();
  return !failed_;
}

log_writer::report log_writer::state() const {
  std::lock_guard guard{mutex_};
  return report_;
}

void log_writer::run() {
  std::vector<job> jobs;
  std::unique_lock lock{mutex_};
  for (;;) {
    auto has_work = [this] { return stopping_ || !waiting_.empty(); };
    if (!vouched_ && !arrived_.wait_for(lock, idle_before_vouching, has_work)) {
      lock.unlock();
      vouch();
      lock.lock();
    }
    arrived_.wait(lock, has_work);
    if (waiting_.empty())
      break;
    jobs.swap(waiting_);
    lock.unlock();
    auto written = write(jobs);
    jobs.clear();
    wake_();
    lock.lock();
    if (!written)
      return;
  }
  lock.unlock();
  if (!vouched_)
    vouch();
}

// As few batches as can hold them, which is one but for very large writes.
bool log_writer::write(std::vector<job>& jobs) {
  batch_.clear();
  pieces_.clear();
  for (auto& one : jobs)
    if (!gather(one))
      return false;
  return append() && carry_over();
}

bool log_writer::gather(job& one) {
  for (;;) {
    if (!batch_.empty() && raft::record_bytes(one.what) > batch_.room()
        && !append())
      return false;
    auto what = raft::next_piece(one.what, batch_.room());
    if (!what)
      return give_up(what.error().message());
    image_of(one.group).add_to(batch_, *what);
    auto last = one.what.entries.empty();
    pieces_.push_back({one.group, std::move(*what), last});
    if (last)
      return true;
    if (!append())
      return false;
  }
}

bool log_writer::append() {
  auto number = log_.append(batch_);
  while (!number && number.code() == errc::no_space) {
    std::unique_lock lock{mutex_};
    report_.full = true;
    report_.problem = number.error().message();
    if (arrived_.wait_for(lock, pause_while_full, [this] { return stopping_; }))
      return false;
    lock.unlock();
    number = log_.append(batch_);
  }
  if (!number)
    return give_up(number.error().message());
  vouched_ = false;
  for (const auto& one : pieces_) {
    auto& image = image_of(one.group);
    image.wrote(one.what, *number);
    if (one.what.compact_to || one.what.reset_to)
      log_.keep_from(one.group, image.first_needed());
  }
  std::lock_guard guard{mutex_};
  report_.full = false;
  report_.problem.clear();
  report_.segments = log_.segments();
  report_.bytes += batch_.bytes();
  ++report_.batches;
  for (const auto& one : pieces_)
    if (one.last) {
      ++report_.writes;
      done_.push_back({one.group, one.what.id});
    }
  batch_.clear();
  pieces_.clear();
  return true;
}

// Looks for groups that hold old segments whenever a new one was begun.
bool log_writer::carry_over() {
  auto segments = log_.segments();
  if (std::exchange(segments_then_, segments) >= segments)
    return true;
  std::uint64_t needed = 0;
  for (const auto& [id, image] : images_)
    needed += image.record_bytes();
  // What is needed, as much again, and a segment at each end.
  if ((segments - std::min<std::size_t>(segments, 2)) * log_.max_batch_bytes()
      <= 2 * needed)
    return true;
  for (auto id : log_.laggards()) {
    auto& image = image_of(id);
    auto bytes = image.record_bytes();
    // In one batch or not at all: half of a log is none. A group with more than
    // that writes much, and so is about to have a snapshot.
    if (bytes > log_.max_batch_bytes())
      continue;
    if (bytes > batch_.room() && !append())
      return false;
    auto whole = image.whole();
    image.add_to(batch_, whole);
    pieces_.push_back({id, std::move(whole), false});
  }
  auto carried = pieces_.empty() || append();
  segments_then_ = log_.segments();
  return carried;
}

bool log_writer::give_up(const std::string& why) {
  std::lock_guard guard{mutex_};
  failed_ = true;
  report_.problem = why;
  return false;
}

raft::log_image& log_writer::image_of(group_id group) {
  return images_.try_emplace(group, group).first->second;
}

// It protects the last batch against being taken for a torn one. When it fails,
// so will the next write, which tells.
void log_writer::vouch() {
  vouched_ = true;
  static_cast<void>(log_.vouch());
}

} // namespace neuroplex::agreement
