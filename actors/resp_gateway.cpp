#include "actors/resp_gateway.hpp"

#include "actors/resp/socket.hpp"
#include "actors/resp_cluster.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace neuroplex::actors {

namespace {

struct resp_gateway_state {
  std::shared_ptr<resp::server> gate;
  static inline const char* name = "resp_gateway";
};

std::string report(const resp::server_stats& stats) {
  const std::array<std::pair<const char*, std::uint64_t>, 13> lines{{
    {"port", stats.port},
    {"connections_open", stats.connections_open},
    {"connections_accepted", stats.connections_accepted},
    {"connections_refused", stats.connections_refused},
    {"accept_pauses", stats.accept_pauses},
    {"commands", stats.commands},
    {"failed_commands", stats.failed_commands},
    {"remote_commands", stats.remote_commands},
    {"protocol_errors", stats.protocol_errors},
    {"auth_failures", stats.auth_failures},
    {"slow_readers_closed", stats.slow_readers_closed},
    {"bytes_in", stats.bytes_in},
    {"bytes_out", stats.bytes_out},
  }};
  std::string text;
  for (const auto& [name, value] : lines)
    text += std::string{name} + ":" + std::to_string(value) + "\n";
  return text;
}

resp_gateway_actor::behavior_type
gateway(actor_pointer<resp_gateway_actor, resp_gateway_state> self,
        std::shared_ptr<resp::server> gate) {
  state_of(self).gate = std::move(gate);
  drop_unexpected(self);
  return {
    [self](stats_atom) { return report(state_of(self).gate->stats()); },
    [self](halt_atom) {
      state_of(self).gate->stop();
      self->quit();
    },
  };
}

// First line of a file that only its owner may read. Never shown in an error.
expected<std::string> read_password(const std::string& path) {
  auto complain = [&path](errc code, const std::string& what) {
    return failure{code, "resp.password_file: " + path + ": " + what};
  };
  resp::descriptor file{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat status {};
  if (!file.open() || fstat(file.get(), &status) != 0)
    return complain(errc::bad_path, std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode))
    return complain(errc::bad_path, "not a regular file");
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return complain(errc::config,
                    "others may read it: give it mode 0600 (chmod 600)");
  std::array<char, resp::bounds::max_password_bytes + 2> bytes{};
  auto count = read(file.get(), bytes.data(), bytes.size());
  if (count < 0)
    return complain(errc::bad_path, std::generic_category().message(errno));
  std::string password{bytes.data(), static_cast<std::size_t>(count)};
  password.erase(std::min(password.find_first_of("\r\n"), password.size()));
  if (password.empty())
    return complain(errc::config, "its first line is empty");
  if (password.size() > resp::bounds::max_password_bytes)
    return complain(errc::config, "the password has more than 512 bytes");
  return password;
}

expected<resp::server_options>
server_options_of(const config::node_options& all) {
  resp::server_options result;
  result.address = all.resp.host;
  result.port = all.resp.port.bind_number();
  result.service.max_clients = all.resp.max_clients;
  result.service.max_output_bytes = all.resp.output_limit_bytes;
  result.service.max_reply_bytes = std::max<std::uint64_t>(
    result.service.max_reply_bytes, all.resp.output_limit_bytes);
  result.max_buffered_bytes = std::max<std::uint64_t>(
    result.max_buffered_bytes, all.resp.output_limit_bytes);
  result.service.idle_timeout_ms = all.resp.idle_timeout_ms;
  result.service.node_name = all.cluster + "-" + std::to_string(all.replica_id);
  if (!all.resp.password_file.empty()) {
    auto password = read_password(all.resp.password_file);
    if (!password)
      return password.error();
    result.service.password = std::move(*password);
  }
  return result;
}

} // namespace

struct resp_gateway::parts {
  node* here = nullptr;
  std::unique_ptr<resp_cluster> cluster; // null when this node is alone
  std::shared_ptr<resp::server> gate;
  resp_gateway_actor handle;
};

expected<std::unique_ptr<resp_gateway>> resp_gateway::start(node& here) {
  auto options = server_options_of(here.options());
  if (!options)
    return options.error();
  auto inside = std::make_unique<parts>();
  inside->here = &here;
  if (here.table()->members().size() > 1) {
    auto cluster = resp_cluster::make(here);
    if (!cluster)
      return cluster.error();
    inside->cluster = std::move(*cluster);
  }
  auto gate = resp::server::start(here.store(), std::move(*options),
                                  inside->cluster.get());
  if (!gate)
    return gate.error();
  inside->gate = std::move(*gate);
  if (inside->cluster)
    inside->cluster->attach(*inside->gate);
  inside->handle = here.system().spawn(
    [gate = inside->gate](
      actor_pointer<resp_gateway_actor, resp_gateway_state> self) {
      return gateway(self, gate);
    });
  return std::unique_ptr<resp_gateway>{new resp_gateway(std::move(inside))};
}

resp_gateway::resp_gateway(std::unique_ptr<parts> inside) noexcept
  : inside_{std::move(inside)} {
}

resp_gateway::~resp_gateway() {
  stop();
}

void resp_gateway::stop() noexcept {
  if (!inside_->handle)
    return;
  inside_->gate->stop();
  if (inside_->cluster)
    inside_->cluster->stop();
  tell_anonymously(inside_->handle, halt_atom_v);
  inside_->handle = nullptr;
}

std::uint16_t resp_gateway::port() const noexcept {
  return inside_->gate->port();
}

resp::server_stats resp_gateway::stats() const noexcept {
  return inside_->gate->stats();
}

const resp_gateway_actor& resp_gateway::handle() const noexcept {
  return inside_->handle;
}

} // namespace neuroplex::actors
