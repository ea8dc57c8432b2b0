#include "actors/resp/server.hpp"

#include "actors/resp/server_loop.hpp"

namespace neuroplex::resp {

expected<void> server_options::validate() const {
  constexpr std::uint32_t longest_spin_us = 10'000;
  if (spin_us > longest_spin_us)
    return failure{errc::config, "resp spin_us: " + std::to_string(spin_us)
                                   + ": at most 10000"};
  if (max_buffered_bytes < service.max_output_bytes)
    return failure{errc::config, "resp max_buffered_bytes: "
                                   + std::to_string(max_buffered_bytes)
                                   + ": at least max_output_bytes"};
  return service.validate();
}

expected<std::unique_ptr<server>>
server::start(memory::store& data, server_options options, remote* cluster) {
  if (auto valid = options.validate(); !valid)
    return valid.error();
  auto running = std::make_unique<loop>(data, std::move(options), cluster);
  if (auto opened = running->open(); !opened)
    return opened.error();
  running->start_thread();
  return std::unique_ptr<server>{new server{std::move(running)}};
}

server::server(std::unique_ptr<loop> running) noexcept
  : loop_{std::move(running)} {
}

server::~server() {
  stop();
}

void server::stop() noexcept {
  loop_->ask_to_stop();
  loop_->join();
}

std::uint16_t server::port() const noexcept {
  return loop_->shared().port;
}

server_stats server::stats() const noexcept {
  const auto& counters = loop_->shared().counters;
  server_stats result;
  result.port = port();
  result.connections_open = counters.connections_open.get();
  result.connections_accepted = counters.connections_accepted.get();
  result.connections_refused = counters.connections_refused.get();
  result.accept_pauses = counters.accept_pauses.get();
  result.commands = counters.commands.get();
  result.failed_commands = counters.failed_commands.get();
  result.remote_commands = counters.remote_commands.get();
  result.protocol_errors = counters.protocol_errors.get();
  result.auth_failures = counters.auth_failures.get();
  result.slow_readers_closed = counters.slow_readers_closed.get();
  result.bytes_in = counters.bytes_in.get();
  result.bytes_out = counters.bytes_out.get();
  return result;
}

void server::post(std::function<void()> task) {
  loop_->post(std::move(task));
}

void server::set_password(std::string password) {
  post([target = loop_.get(), password = std::move(password)] {
    target->shared().set_password(password);
  });
}

} // namespace neuroplex::resp
