// The reading end of a pushed scan, for a plain thread.
//
// Purpose: takes the pages that a scan_source sends, keeps them until the
// thread asks, and grants credit for another page with each one taken.
//
// Ownership and threads: belongs to one thread; the actor inside is stopped by
// the destructor.
#pragma once

#include "actors/client_broker.hpp"

#include <functional>
#include <memory>

namespace neuroplex::actors {

class scan_reader {
public:
  scan_reader(caf::actor_system& system, std::function<void(client_job)> post);
  scan_reader(const scan_reader&) = delete;
  scan_reader& operator=(const scan_reader&) = delete;
  ~scan_reader();

  expected<void> open(const scan_request& what, std::uint32_t credit,
                      milliseconds patience);

  /// The next page. `unavailable` when the node is lost, `unknown_outcome` when
  /// no page comes in time.
  expected<scan_page> next(milliseconds patience);

private:
  struct page_queue;

  caf::actor_system& system_;
  std::function<void(client_job)> post_;
  std::shared_ptr<page_queue> pages_;
  scan_sink_actor sink_;
  scan_source_actor source_;
};

} // namespace neuroplex::actors
