#include "actors/caf_compat.hpp"

#include "actors/message_types.hpp"

#include <caf/defaults.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>

#include <thread>

namespace neuroplex::actors {

namespace {

constexpr caf::atom_value error_category = caf::atom("neuroplex");

} // namespace

caf::error make_error(errc code) {
  return caf::error{static_cast<std::uint8_t>(code), error_category};
}

caf::error make_error(const failure& what) {
  return caf::error{static_cast<std::uint8_t>(what.code()), error_category,
                    caf::make_message(what.message())};
}

errc code_of(const caf::error& error) {
  if (!error)
    return errc::ok;
  if (error.category() == error_category)
    return error.code() < errc_count ? static_cast<errc>(error.code())
                                     : errc::protocol;
  if (error == caf::sec::request_timeout)
    return errc::unknown_outcome;
  if (error == caf::sec::request_receiver_down
      || error == caf::sec::cannot_connect_to_node
      || error == caf::sec::no_actor_published_at_port
      || error == caf::sec::no_route_to_receiving_node
      || error == caf::sec::disconnect_during_handshake
      || error == caf::sec::remote_lookup_failed
      || error.category() == caf::atom("exit"))
    return errc::unavailable;
  if (error == caf::sec::unexpected_message
      || error == caf::sec::unexpected_actor_messaging_interface)
    return errc::protocol;
  return errc::internal;
}

std::string render(const caf::error& error) {
  if (error && error.category() == error_category) {
    if (error.context().match_elements<std::string>())
      return error.context().get_as<std::string>(0);
    return std::string{describe(code_of(error))};
  }
  return caf::actor_system_config::render(error);
}

void death_watch::notify(caf::down_msg& message) {
  auto found = watched_.find(message.source);
  if (found == watched_.end())
    return;
  auto on_death = std::move(found->second);
  watched_.erase(found);
  on_death(message.reason);
}

bool detail::counts(const caf::mailbox_element& element,
                    const caf::actor_control_block* self) {
  return !element.mid.is_response() && !element.is_high_priority()
         && element.sender.get() != self;
}

void detail::bounce(caf::mailbox_element& element) {
  if (!element.mid.is_request())
    return;
  auto& asker = element.stages.empty() ? element.sender : element.stages.back();
  if (asker)
    asker->enqueue(nullptr, element.mid.response_id(),
                   caf::make_message(make_error(errc::busy)), nullptr);
}

system_config::system_config(const system_settings& settings) {
  add_message_types<caf::id_block::neuroplex>();
  add_error_category(error_category, [](std::uint8_t code, caf::atom_value,
                                        const caf::message&) {
    return std::string{
      describe(code < errc_count ? static_cast<errc>(code) : errc::protocol)};
  });
  auto threads = settings.worker_threads;
  if (threads == 0)
    threads = std::max(1u, std::thread::hardware_concurrency());
  set("scheduler.max-threads", threads);
  // Workers that steal look for work every 50 us while there is none, which
  // takes an idle node some 5 % of a core; those that share a queue sleep.
  set("scheduler.policy", caf::atom("sharing"));
  if (!settings.network)
    return;
  load<caf::io::middleman>();
  // Nodes with different heartbeats would cut healthy connections, so these
  // come from options that are alike in the whole cluster.
  set("middleman.heartbeat-interval", caf::timespan{settings.heartbeat});
  set("middleman.connection-timeout",
      caf::timespan{settings.connection_timeout});
  set("middleman.app-identifiers",
      std::vector<std::string>{application_identifier});
  // A node listens where it says, and nowhere else.
  set("middleman.enable-automatic-connections", false);
}

} // namespace neuroplex::actors
