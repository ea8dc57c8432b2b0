#include "actors/agreement/log_writer.hpp"

#include <chrono>
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
  log_replay replay;
  opened result;
  auto log = storage::durable_log::open(
    std::move(where), whose, options,
    [&replay](const storage::log_record& record, storage::batch_number batch) {
      replay.take(record, batch);
    },
    &result.met);
  if (!log)
    return log.error();
  auto groups = replay.finish();
  if (!groups)
    return groups.error();
  result.groups = std::move(*groups);
  result.writer.reset(new log_writer(std::move(*log)));
  for (auto& [id, group] : result.groups)
    result.writer->places_[id] = std::move(group.batches);
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

void log_writer::submit(group_id group, raft::disk_write what) {
  auto was_idle = false;
  {
    std::lock_guard guard{mutex_};
    was_idle = waiting_.empty();
    waiting_.push_back({group, std::move(what)});
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
  std::size_t from = 0;
  while (from < jobs.size()) {
    batch_.clear();
    auto to = from;
    auto bytes = std::uint64_t{0};
    while (to < jobs.size()) {
      bytes += record_bytes(jobs[to].what);
      if (to > from && bytes > log_.max_batch_bytes())
        break;
      if (add_records(jobs[to].group, jobs[to].what, batch_) != errc::ok) {
        std::lock_guard guard{mutex_};
        failed_ = true;
        report_.problem = "a write of group " + std::to_string(jobs[to].group)
                          + " is larger than a segment of the log";
        return false;
      }
      ++to;
    }
    if (!append(jobs, from, to))
      return false;
    from = to;
  }
  return true;
}

bool log_writer::append(const std::vector<job>& jobs, std::size_t from,
                        std::size_t to) {
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
  if (number) {
    vouched_ = false;
    for (auto i = from; i < to; ++i) {
      auto& places = places_[jobs[i].group];
      places.note(jobs[i].what, *number);
      if (jobs[i].what.compact_to)
        log_.keep_from(jobs[i].group,
                       places.keep_after(*jobs[i].what.compact_to, *number));
    }
  }
  std::lock_guard guard{mutex_};
  report_.full = false;
  report_.segments = log_.segments();
  if (!number) {
    failed_ = true;
    report_.problem = number.error().message();
    return false;
  }
  report_.problem.clear();
  ++report_.batches;
  report_.writes += to - from;
  report_.bytes += batch_.bytes();
  for (auto i = from; i < to; ++i)
    done_.push_back({jobs[i].group, jobs[i].what.id});
  return true;
}

// It protects the last batch against being taken for a torn one. When it fails,
// so will the next write, which tells.
void log_writer::vouch() {
  vouched_ = true;
  static_cast<void>(log_.vouch());
}

} // namespace neuroplex::agreement
