#include "actors/client.hpp"
#include "cli/cluster/local_cluster.hpp"
#include "cli/tour/message_door.hpp"

#include <algorithm>

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

  errc add(const std::string& key, std::int64_t amount) override {
    return client_.increment(space_, key, amount).code();
  }

  expected<replica_view> replica() override {
    auto report = client_.stats();
    if (!report)
      return report.error();
    for (const auto& one : report->replicas)
      if (one.space == space_)
        return replica_view{
          one.keys, one.fact_bytes, one.bytes_sent,
          std::all_of(one.peers.begin(), one.peers.end(),
                      [&](const actors::replica_peer_report& peer) {
                        return peer.acknowledged == one.recorded;
                      })};
    return failure{errc::not_found, "the node has no replica of " + space_};
  }

  expected<std::uint64_t> differing_keys() override {
    auto verdict = client_.verify_replicas(space_);
    if (!verdict)
      return verdict.error();
    std::uint64_t result = 0;
    for (const auto& one : verdict->nodes) {
      if (!one.answered)
        return failure{errc::unavailable,
                       "node " + std::to_string(one.replica_id)
                         + " does not say what its replica has"};
      result += one.differing;
    }
    return result;
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
