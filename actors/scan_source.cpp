#include "actors/scan_source.hpp"

#include "actors/clock.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::actors {

namespace {

// How long a page that a busy node refused is put off.
constexpr auto busy_pause = milliseconds{10};

struct scan_source_state {
  using self_pointer = actor_pointer<scan_source_actor, scan_source_state>;

  void read_next() {
    if (reading || exhausted || credit == 0)
      return;
    reading = true;
    what.header.deadline_ms = unix_ms() + request_ms;
    ask(self, router, milliseconds{request_ms}, scan_atom_v, what)
      .then([this](scan_page& page) { send(std::move(page)); },
            [this](const caf::error& error) {
              scan_page page;
              page.member = what.from.member;
              page.status = code_of(error);
              page.next = what.from;
              page.done = page.status != errc::busy;
              send(std::move(page));
            });
  }

  void send(scan_page page) {
    reading = false;
    if (page.status == errc::busy)
      return tell_after(self, busy_pause, scan_source_actor{self}, scan_atom_v);
    what.from = page.next;
    // After the last page it waits for the reader to say that it has seen it.
    exhausted = page.done;
    --credit;
    last_grant_ms = unix_ms();
    tell(self, sink, page_atom_v, sequence++, std::move(page));
    read_next();
  }

  void grant(std::uint32_t more) {
    if (more == 0)
      return self->quit();
    last_grant_ms = unix_ms();
    credit = std::min(limits::max_scan_credit,
                      credit + std::min(more, limits::max_scan_credit));
    read_next();
  }

  void look() {
    if ((credit == 0 || exhausted)
        && unix_ms() - last_grant_ms > limits::scan_idle_ms)
      return self->quit();
    tell_after(self, milliseconds{limits::scan_idle_ms},
               scan_source_actor{self}, pulse_atom_v);
  }

  self_pointer self = nullptr;
  router_actor router;
  scan_request what;
  scan_sink_actor sink;
  std::uint32_t credit = 0;
  std::uint32_t request_ms = 0;
  std::uint64_t sequence = 0;
  std::int64_t last_grant_ms = 0;
  bool reading = false;
  bool exhausted = false;
  death_watch watch;
  static inline const char* name = "scan_source";
};

} // namespace

scan_source_actor
spawn_scan_source(caf::actor_system& system, const router_actor& router,
                  const scan_request& what, const scan_sink_actor& sink,
                  std::uint32_t credit, std::uint32_t request_ms) {
  return system.spawn([=](scan_source_state::self_pointer self)
                        -> scan_source_actor::behavior_type {
    auto* state = &state_of(self);
    state->self = self;
    state->router = router;
    state->what = what;
    state->sink = sink;
    state->credit = std::min(credit, limits::max_scan_credit);
    state->request_ms = request_ms;
    state->last_grant_ms = unix_ms();
    drop_unexpected(self);
    state->watch.watch(self, sink, [self](const caf::error&) { self->quit(); });
    state->read_next();
    tell_after(self, milliseconds{limits::scan_idle_ms},
               scan_source_actor{self}, pulse_atom_v);
    return {
      [state](credit_atom, std::uint32_t more) { state->grant(more); },
      [state](pulse_atom) { state->look(); },
      [state](scan_atom) { state->read_next(); },
    };
  });
}

} // namespace neuroplex::actors
