#include "actors/resp_cluster.hpp"

#include "actors/client.hpp"
#include "actors/resp/service.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp_routed_keys.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace neuroplex::actors {

namespace {

constexpr std::size_t worker_count = 4;

// Commands that may wait for one thread.
constexpr std::size_t max_waiting = 65'536;

constexpr resp::owner_id the_others{1};

} // namespace

class resp_cluster::worker {
public:
  worker(memory::store& segment, std::unique_ptr<resp_routed_keys> keys)
    : keys_{std::move(keys)}, shared_{
                                segment, {}, nullptr, nullptr, keys_.get()} {
  }

  ~worker() {
    stop();
  }

  void start(resp::server& gate) {
    thread_ = std::thread{[this, &gate] { run(gate); }};
  }

  void stop() noexcept {
    {
      std::lock_guard guard{mutex_};
      stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable())
      thread_.join();
  }

  bool add(resp::remote_command command, resp::remote_completion completion) {
    {
      std::lock_guard guard{mutex_};
      if (waiting_.size() >= max_waiting)
        return false;
      waiting_.push_back({std::move(command), std::move(completion)});
    }
    wake_.notify_one();
    return true;
  }

private:
  struct job {
    resp::remote_command command;
    resp::remote_completion completion;
  };

  void run(resp::server& gate) {
    std::unique_lock lock{mutex_};
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_)
        return;
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      std::vector<std::string_view> arguments{next.command.arguments.begin(),
                                              next.command.arguments.end()};
      auto bytes = resp::session::execute_once(
        shared_, next.command.database, next.command.protocol, arguments);
      gate.post([completion = std::move(next.completion),
                 bytes = std::move(bytes)]() mutable {
        completion({errc::ok, std::move(bytes)});
      });
      lock.lock();
    }
  }

  std::unique_ptr<resp_routed_keys> keys_;
  resp::service shared_; // of this thread
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<job> waiting_; // guarded by mutex_, as stopping_
  bool stopping_ = false;
  std::thread thread_;
};

expected<std::unique_ptr<resp_cluster>>
resp_cluster::make(const resp_cluster_setup& setup) {
  std::unique_ptr<resp_cluster> result{new resp_cluster(setup)};
  auto members = setup.table->members();
  auto self = static_cast<std::uint32_t>(
    std::find(members.begin(), members.end(), result->self_) - members.begin());
  client_options options;
  options.request_timeout_ms = setup.request_ms;
  options.batch_keys = setup.batch_keys;
  for (std::size_t i = 0; i < worker_count; ++i) {
    auto way = client::attach(setup.node, options);
    if (!way)
      return way.error();
    result->workers_.push_back(std::make_unique<worker>(
      setup.segment, std::make_unique<resp_routed_keys>(
                       std::move(*way), setup.segment, self,
                       static_cast<std::uint32_t>(members.size()))));
  }
  return result;
}

resp_cluster::resp_cluster(const resp_cluster_setup& setup)
  : table_{setup.table}, self_{setup.self} {
}

resp_cluster::~resp_cluster() {
  stop();
}

void resp_cluster::attach(resp::server& gate) {
  for (auto& one : workers_)
    one->start(gate);
}

void resp_cluster::stop() noexcept {
  for (auto& one : workers_)
    one->stop();
}

resp::owner_id resp_cluster::owner_of(std::uint32_t /* keys have one slot */,
                                      std::string_view key) const {
  return table_->primary_of(key) == self_ ? resp::owner_id::here : the_others;
}

std::vector<resp::owner_id> resp_cluster::others() const {
  return {the_others};
}

void resp_cluster::submit(resp::owner_id, resp::remote_command command,
                          resp::remote_completion completion) {
  auto& chosen = *workers_[command.connection % workers_.size()];
  // The completion of a refused command runs at once: the reply's place in the
  // order exists already.
  if (!chosen.add(std::move(command), completion))
    completion({errc::busy, {}});
}

} // namespace neuroplex::actors
