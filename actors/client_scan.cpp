#include "actors/client_scan.hpp"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <utility>

namespace neuroplex::actors {

struct scan_reader::page_queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<scan_page> pages;
  std::uint64_t next_sequence = 0;
  errc broken = errc::ok;

  void put(std::uint64_t sequence, scan_page page) {
    {
      std::lock_guard guard{mutex};
      // Pages come in order from one actor; a gap means that one was lost.
      if (sequence != next_sequence++)
        broken = errc::unavailable;
      settle(page);
      pages.push_back(std::move(page));
    }
    changed.notify_all();
  }

  void end(errc why) {
    {
      std::lock_guard guard{mutex};
      if (broken == errc::ok)
        broken = why;
    }
    changed.notify_all();
  }
};

namespace {

// What the node answers to the request for a stream, as `send` wants it.
struct opened_stream {
  errc status = errc::ok;
  caf::strong_actor_ptr source;
};

struct scan_sink_state {
  death_watch watch;
  static inline const char* name = "scan_sink";
};

} // namespace

scan_reader::scan_reader(caf::actor_system& system,
                         std::function<void(client_job)> post)
  : system_{system}, post_{std::move(post)}, pages_{
                                               std::make_shared<page_queue>()} {
}

scan_reader::~scan_reader() {
  if (source_)
    tell_anonymously(source_, credit_atom_v, std::uint32_t{0});
  if (sink_)
    kill(sink_);
}

expected<void> scan_reader::open(const scan_request& what, std::uint32_t credit,
                                 milliseconds patience) {
  sink_ = system_.spawn(
    [pages = pages_](actor_pointer<scan_sink_actor, scan_sink_state> self)
      -> scan_sink_actor::behavior_type {
      drop_unexpected(self);
      return {[pages](page_atom, std::uint64_t sequence, scan_page& page) {
        pages->put(sequence, std::move(page));
      }};
    });
  auto promise = std::make_shared<std::promise<opened_stream>>();
  auto future = promise->get_future();
  post_([=, sink = caf::actor_cast<caf::strong_actor_ptr>(sink_),
         pages = pages_](client_broker_state* broker) {
    if (broker == nullptr || broker->node == nullptr)
      return promise->set_value(
        {broker == nullptr ? errc::closed : errc::unavailable, nullptr});
    ask(broker->self, broker->node, patience, stream_atom_v, what, sink, credit)
      .then(
        [=](const caf::strong_actor_ptr& source) {
          broker->watch.watch(broker->self, source, [pages](const auto&) {
            pages->end(errc::unavailable);
          });
          promise->set_value({errc::ok, source});
        },
        [=](const caf::error& error) {
          promise->set_value({code_of(error), nullptr});
        });
  });
  if (future.wait_for(patience + client_broker_state::grace)
      != std::future_status::ready)
    return errc::unavailable;
  auto opened = future.get();
  if (opened.status != errc::ok)
    return opened.status;
  source_ = caf::actor_cast<scan_source_actor>(opened.source);
  return {};
}

expected<scan_page> scan_reader::next(milliseconds patience) {
  std::unique_lock guard{pages_->mutex};
  auto come = pages_->changed.wait_for(guard, 2 * patience, [this] {
    return !pages_->pages.empty() || pages_->broken != errc::ok;
  });
  if (!come)
    return errc::unavailable;
  if (pages_->pages.empty())
    return pages_->broken;
  auto page = std::move(pages_->pages.front());
  pages_->pages.pop_front();
  guard.unlock();
  if (!page.done)
    tell_anonymously(source_, credit_atom_v, std::uint32_t{1});
  return page;
}

} // namespace neuroplex::actors
