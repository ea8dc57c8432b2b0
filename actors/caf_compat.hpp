// The only file that knows which CAF it is.
//
// Purpose: CAF 0.17 and 1.x spell the same ideas differently. Everything whose
// spelling differs has one name here, and no other file of the project uses the
// spelling of one version. Moving to another CAF means porting this file.
//
// The names: `interface_of<answers<R...>(A...), ...>` (a typed actor),
// `inspect_as` and `field` (message types), `actor_pointer`, `state_of`,
// `promise_of`, `ask`, `delegate`, `tell`, `tell_after`, `tell_anonymously`,
// `kill`, `death_watch`, `drop_unexpected`, `bounded_actor`, `spawn_bounded`,
// `spawn_bounded_apart`, `spawn_apart`, `make_error` and `code_of` (errors),
// `system_config`, `publish`, `unpublish`, `connect`, and the NEUROPLEX_*
// macros for type ids.
//
// Threads: as CAF's own; functions that take `self` run in that actor.
//
// Failure behaviour: failures of the transport surface as a caf::error, which
// `code_of` turns into an errc. Nothing here throws.
#pragma once

#include "memory/status.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/config.hpp>
#include <caf/duration.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/middleman_actor.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#if CAF_VERSION < 1700 || CAF_VERSION >= 1800
#error "actors/caf_compat.hpp knows CAF 0.17 only: port this file"
#endif

// -- type ids and atoms -------------------------------------------------------

#define NEUROPLEX_BEGIN_TYPES(block)                                           \
  CAF_BEGIN_TYPE_ID_BLOCK(block, caf::first_custom_type_id)
#define NEUROPLEX_ADD_TYPE(block, type) CAF_ADD_TYPE_ID(block, (type))
#define NEUROPLEX_ADD_ATOM(block, name, text)                                  \
  CAF_ADD_ATOM(block, neuroplex::actors, name, text)
#define NEUROPLEX_END_TYPES(block) CAF_END_TYPE_ID_BLOCK(block)

namespace neuroplex::actors {

// -- typed interfaces ---------------------------------------------------------

/// What a message is answered with; `answers<void>` or none for no answer.
template <class... Results>
struct answers;

namespace detail {

template <class Signature>
struct message_signature;

template <class... Results, class... Arguments>
struct message_signature<answers<Results...>(Arguments...)> {
  using type =
    typename caf::replies_to<Arguments...>::template with<Results...>;
};

template <class... Arguments>
struct message_signature<answers<void>(Arguments...)> {
  using type = caf::reacts_to<Arguments...>;
};

} // namespace detail

template <class... Signatures>
using interface_of =
  caf::typed_actor<typename detail::message_signature<Signatures>::type...>;

// -- message types ------------------------------------------------------------

template <class T>
struct field_of {
  T& value;
};

template <class T>
field_of<T> field(const char* /* name, for newer CAFs */, T& value) {
  return {value};
}

template <class Inspector, class T, class... Ts>
auto inspect_as(Inspector& inspector, T& /* for newer CAFs */,
                const char* type_name, field_of<Ts>... fields) {
  return inspector(caf::meta::type_name(type_name), fields.value...);
}

// -- sending ------------------------------------------------------------------

using milliseconds = std::chrono::milliseconds;

template <class Self>
decltype(auto) state_of(Self* self) {
  return (self->state);
}

template <class Self, class Handle, class... Ts>
auto ask(Self* self, const Handle& target, milliseconds timeout,
         Ts&&... parts) {
  return self->request(target, timeout, std::forward<Ts>(parts)...);
}

template <class Self, class Handle, class... Ts>
auto delegate(Self* self, const Handle& target, Ts&&... parts) {
  return self->delegate(target, std::forward<Ts>(parts)...);
}

template <class Self, class Handle, class... Ts>
void tell(Self* self, const Handle& target, Ts&&... parts) {
  self->send(target, std::forward<Ts>(parts)...);
}

/// Goes before ordinary messages, and past the limit of a bounded mailbox.
template <class Self, class Handle, class... Ts>
void tell_urgently(Self* self, const Handle& target, Ts&&... parts) {
  self->template send<caf::message_priority::high>(target,
                                                   std::forward<Ts>(parts)...);
}

template <class Self, class Handle, class... Ts>
void tell_after(Self* self, milliseconds delay, const Handle& target,
                Ts&&... parts) {
  self->delayed_send(target, delay, std::forward<Ts>(parts)...);
}

template <class Handle, class... Ts>
void tell_anonymously(const Handle& target, Ts&&... parts) {
  caf::anon_send(target, std::forward<Ts>(parts)...);
}

/// As tell_urgently, from any thread.
template <class Handle, class... Ts>
void tell_anonymously_urgently(const Handle& target, Ts&&... parts) {
  caf::anon_send<caf::message_priority::high>(target,
                                              std::forward<Ts>(parts)...);
}

/// An answer that comes later. One that is given up without being delivered
/// answers with an error.
template <class T>
using promise_of = caf::typed_response_promise<T>;

template <class T, class Self>
promise_of<T> make_promise(Self* self) {
  return self->template make_response_promise<T>();
}

/// Ends an actor from outside, in order.
template <class Handle>
void stop(const Handle& target) {
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
}

/// Ends an actor from outside, at once.
template <class Handle>
void kill(const Handle& target) {
  caf::anon_send_exit(target, caf::exit_reason::kill);
}

/// Answers what no handler takes with an error, without a line on the console.
template <class Self>
void drop_unexpected(Self* self) {
  self->set_default_handler(caf::drop);
}

// -- errors -------------------------------------------------------------------

[[nodiscard]] caf::error make_error(errc code);

/// The same with the failure's own line, which `render` shows.
[[nodiscard]] caf::error make_error(const failure& what);

/// Our code when the error is ours; `unavailable` when the actor or its host
/// is gone; `unknown_outcome` for a timeout; else `internal`.
[[nodiscard]] errc code_of(const caf::error& error);

[[nodiscard]] std::string render(const caf::error& error);

// -- watching others ----------------------------------------------------------

/// Calls back once when a watched actor ends or its connection is lost. Part
/// of an actor's state; one a actor, which takes over its down handler.
class death_watch {
public:
  using callback = std::function<void(const caf::error& reason)>;

  template <class Self, class Handle>
  void watch(Self* self, const Handle& target, callback&& on_death) {
    if (!installed_) {
      installed_ = true;
      self->set_down_handler([this](caf::down_msg& message) { //
        notify(message);
      });
    }
    watched_[target->address()] = std::move(on_death);
    self->monitor(target);
  }

  template <class Self, class Handle>
  void forget(Self* self, const Handle& target) {
    if (watched_.erase(target->address()) > 0)
      self->demonitor(target->address());
  }

private:
  void notify(caf::down_msg& message);

  bool installed_ = false;
  std::map<caf::actor_addr, callback> watched_;
};

// -- bounded mailboxes --------------------------------------------------------

/// The self pointer of an actor of this interface with this state.
template <class Handle, class State>
using actor_pointer = typename Handle::template stateful_pointer<State>;

namespace detail {

/// True for what counts against a mailbox: requests and messages from others,
/// not answers, timers of the actor itself, or what is urgent.
bool counts(const caf::mailbox_element& element,
            const caf::actor_control_block* self);

/// Answers `busy` on behalf of an actor whose mailbox is full.
void bounce(caf::mailbox_element& element);

} // namespace detail

/// A typed actor whose mailbox takes at most `limit` messages of others. A
/// request beyond that is answered with `errc::busy` at once, in the thread
/// of the sender; a message that expects no answer is dropped and counted.
template <class Handle, class State>
class bounded_actor : public Handle::template stateful_base<State> {
public:
  using super = typename Handle::template stateful_base<State>;
  using behavior_type = typename Handle::behavior_type;
  using initializer = std::function<behavior_type(super*)>;

  bounded_actor(caf::actor_config& config, std::size_t limit, initializer start)
    : super{config}, limit_{limit}, start_{std::move(start)} {
  }

  using super::enqueue;

  void enqueue(caf::mailbox_element_ptr element,
               caf::execution_unit* context) override {
    if (detail::counts(*element, this->ctrl())) {
      // Relaxed: a count, not a lock; a few messages more do no harm.
      if (waiting_.fetch_add(1, std::memory_order_relaxed) >= limit_) {
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        detail::bounce(*element);
        return;
      }
    }
    super::enqueue(std::move(element), context);
  }

  caf::invoke_message_result consume(caf::mailbox_element& element) override {
    if (detail::counts(element, this->ctrl()))
      waiting_.fetch_sub(1, std::memory_order_relaxed);
    return super::consume(element);
  }

  behavior_type make_behavior() override {
    return start_(this);
  }

private:
  std::size_t limit_;
  initializer start_;
  std::atomic<std::size_t> waiting_{0};
};

template <class Handle, class State>
Handle spawn_bounded(
  caf::actor_system& system, std::size_t limit,
  std::function<typename Handle::behavior_type(actor_pointer<Handle, State>)>
    start) {
  return system.spawn<bounded_actor<Handle, State>>(limit, std::move(start));
}

/// The same with a thread of its own, for what may block.
template <class Handle, class State>
Handle spawn_bounded_apart(
  caf::actor_system& system, std::size_t limit,
  std::function<typename Handle::behavior_type(actor_pointer<Handle, State>)>
    start) {
  return system.spawn<bounded_actor<Handle, State>, caf::detached>(
    limit, std::move(start));
}

/// An actor with a thread of its own, for what may block.
template <class Function>
auto spawn_apart(caf::actor_system& system, Function start) {
  return system.spawn<caf::detached>(std::move(start));
}

// -- systems and connections --------------------------------------------------

/// What our nodes and clients call themselves when CAFs meet; others are not
/// let in.
inline constexpr const char* application_identifier = "neuroplex";

/// What a system of ours needs to know.
struct system_settings {
  std::size_t worker_threads = 0; ///< 0: one a core
  milliseconds heartbeat{250};
  milliseconds connection_timeout{1000};
  bool network = true; ///< load the middleman
};

/// Configuration of an actor system that knows all our message types.
class system_config : public caf::actor_system_config {
public:
  explicit system_config(const system_settings& settings);
};

/// Opens `port` (0: any) on the loopback address `host` for `actor`.
template <class Handle>
expected<std::uint16_t> publish(caf::actor_system& system, const Handle& actor,
                                const std::string& host, std::uint16_t port) {
  auto bound = system.middleman().publish(actor, port, host.c_str(), true);
  if (!bound)
    return failure{errc::io, "cannot listen on " + host + ":"
                               + std::to_string(port) + ": "
                               + render(bound.error())};
  return *bound;
}

template <class Handle>
void unpublish(caf::actor_system& system, const Handle& actor,
               std::uint16_t port) {
  static_cast<void>(system.middleman().unpublish(actor, port));
}

/// Asks the middleman for the actor published at an address, without blocking
/// and with a time limit, and hands it to `on_success`. Any failure, an actor
/// of another interface included, goes to `on_error`.
template <class Handle, class Self, class OnSuccess, class OnError>
void connect(Self* self, const std::string& host, std::uint16_t port,
             milliseconds timeout, OnSuccess on_success, OnError on_error) {
  caf::actor_system& system = self->home_system();
  self
    ->request(system.middleman().actor_handle(), timeout,
              caf::connect_atom::value, host, port)
    .then(
      [&system, on_success,
       on_error](const caf::node_id&, const caf::strong_actor_ptr& actor,
                 const std::set<std::string>& interface) mutable {
        if (!actor)
          return on_error(make_error(errc::unavailable));
        if (!system.assignable(interface, system.message_types<Handle>()))
          return on_error(make_error(errc::protocol));
        on_success(caf::actor_cast<Handle>(actor));
      },
      [on_error](const caf::error& error) mutable { on_error(error); });
}

} // namespace neuroplex::actors
