#include "actors/client.hpp"
#include "cli/cluster/local_cluster.hpp"
#include "cli/tour/message_door.hpp"

namespace neuroplex::cli {

namespace {

// As long as the nodes of a local cluster bear each other's silence.
constexpr std::uint32_t door_timeout_ms = local_patience_ms;

class client_door final : public message_door {
public:
  client_door(actors::client client, std::string space)
    : client_{std::move(client)}, space_{std::move(space)} {
  }

  expected<void> set_many(std::span<memory::set_request> entries) override {
    client_.set_many(space_, entries);
    return {};
  }

  expected<void> get_many(std::span<memory::get_request> keys) override {
    client_.get_many(space_, keys);
    return {};
  }

  errc get(const std::string& key, std::string& value) override {
    auto answer = client_.get(space_, key);
    if (!answer)
      return answer.code();
    value = std::move(*answer);
    return errc::ok;
  }

  expected<std::uint32_t> leader() override {
    auto report = client_.stats();
    if (!report)
      return report.error();
    const auto& groups = report->agreement.groups;
    return groups.empty() ? 0 : groups.front().leader;
  }

private:
  actors::client client_;
  std::string space_;
};

} // namespace

expected<std::unique_ptr<message_door>>
open_client_door(std::uint16_t port, const std::string& space) {
  actors::client_options options;
  options.port = port;
  options.connect_timeout_ms = door_timeout_ms;
  options.request_timeout_ms = door_timeout_ms;
  options.connection_timeout_ms = door_timeout_ms;
  auto client = actors::client::connect(options);
  if (!client)
    return client.error();
  return std::unique_ptr<message_door>{
    std::make_unique<client_door>(std::move(*client), space)};
}

} // namespace neuroplex::cli
