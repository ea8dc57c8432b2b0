// A thread for work that may take long and that nobody waits for.
//
// Purpose: writes snapshots beside a loop that must not block.
//
// Threads: `run` may be called by any thread; the work runs in the thread's
// own, one piece after the other.
//
// Invariants: what was begun is finished before `stop` returns; what was not is
// dropped.
//
// Failure behaviour: none; the work has its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace neuroplex::agreement {

class errands {
public:
  errands() : thread_{[this] { work(); }} {
  }

  ~errands() {
    {
      std::lock_guard guard{mutex_};
      stopping_ = true;
    }
    arrived_.notify_one();
    thread_.join();
  }

  errands(const errands&) = delete;
  errands& operator=(const errands&) = delete;

  void run(std::function<void()> what) {
    {
      std::lock_guard guard{mutex_};
      waiting_.push_back(std::move(what));
    }
    arrived_.notify_one();
  }

private:
  void work() {
    std::unique_lock lock{mutex_};
    for (;;) {
      arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_)
        return;
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      next();
      lock.lock();
    }
  }

  std::mutex mutex_; // for all that follows
  std::condition_variable arrived_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_; // last: it uses the others
};

} // namespace neuroplex::agreement
