#include "cli/target/node_target.hpp"

#include "actors/client.hpp"
#include "cli/target/node_client.hpp"
#include "cli/target/target_flags.hpp"
#include "config/diagnostic.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::cli {

namespace {

using actors::operation;
using actors::reply;
using actors::request;

class node_target final : public target {
public:
  node_target(std::string address, actors::client connection)
    : address_{std::move(address)}, client_{std::move(connection)} {
  }

  std::string name() const override {
    return "node " + address_;
  }

  expected<entry> get(const std::string& space,
                      const std::string& key) override {
    auto answer = apply(operation::get, space, key);
    if (answer.status != errc::ok)
      return key_failure(answer.status, key);
    return entry{std::move(answer.value), answer.version, answer.expires_at_ms};
  }

  expected<void> set(const std::string& space, const std::string& key,
                     const std::string& value,
                     const memory::set_options& options,
                     set_condition condition) override {
    request what;
    what.op = condition == set_condition::if_absent ? operation::set_if_absent
              : condition == set_condition::if_present
                ? operation::set_if_present
                : operation::set;
    what.space = space;
    what.key = key;
    what.value = value;
    what.ttl_ms = options.ttl_ms;
    what.keep_ttl = options.keep_ttl;
    auto answer = client_.apply(std::move(what));
    if (answer.status != errc::ok)
      return key_failure(answer.status, key, value.size(),
                         limits::max_message_value_bytes);
    return {};
  }

  expected<void> erase(const std::string& space,
                       const std::string& key) override {
    auto answer = apply(operation::erase, space, key);
    if (answer.status != errc::ok)
      return key_failure(answer.status, key);
    return {};
  }

  expected<std::int64_t> increment(const std::string& space,
                                   const std::string& key,
                                   std::int64_t delta) override {
    request what;
    what.op = operation::increment;
    what.space = space;
    what.key = key;
    what.delta = delta;
    auto answer = client_.apply(std::move(what));
    if (answer.status != errc::ok)
      return key_failure(answer.status, key);
    return answer.number;
  }

  expected<void> set_many(const std::string& space,
                          std::span<memory::set_request> requests) override {
    // Each request carries its answer; the sum of them says no more.
    static_cast<void>(client_.set_many(space, requests));
    return {};
  }

  expected<scan_progress>
  scan(const std::string& space, scan_place from, std::uint32_t count,
       bool with_values,
       const std::function<void(const scanned&)>& visit) override {
    actors::scan_request what;
    what.space = space;
    what.from = {from.member, from.cursor};
    what.entries = count;
    what.with_values = with_values;
    auto page = client_.read_page(std::move(what));
    if (page.status != errc::ok)
      return failure{page.status, "scan: member "
                                    + std::to_string(page.member + 1)
                                    + " of the cluster: "
                                    + std::string{describe(page.status)}};
    for (auto& each : page.entries) {
      // A value above the size of a page comes by itself.
      if (with_values && each.value_omitted) {
        auto answer = apply(operation::get, space, each.key);
        if (answer.status == errc::not_found)
          continue;
        if (answer.status != errc::ok)
          return key_failure(answer.status, each.key);
        each.value = std::move(answer.value);
      }
      visit({each.key, each.value, each.value_bytes, each.expires_at_ms});
    }
    return scan_progress{{page.next.member, page.next.cursor}, page.done};
  }

private:
  reply apply(operation op, const std::string& space, const std::string& key) {
    request what;
    what.op = op;
    what.space = space;
    what.key = key;
    return client_.apply(std::move(what));
  }

  std::string address_;
  actors::client client_;
};

} // namespace

expected<actors::client> connect_to_node(const std::string& address,
                                         std::chrono::milliseconds timeout) {
  actors::client_options options;
  if (auto parsed = parse_address(address, options.host, options.port); !parsed)
    return failure{errc::bad_argument, "--node: " + config::quote(address)
                                         + ": expected "
                                         + parsed.error().message()};
  options.connect_timeout_ms = static_cast<std::uint32_t>(timeout.count());
  options.request_timeout_ms = options.connect_timeout_ms;
  options.connection_timeout_ms =
    std::max(options.connection_timeout_ms, options.connect_timeout_ms);
  auto made = actors::client::connect(options);
  if (!made)
    return failure{made.code(), "node " + address + ": "
                                  + made.error().message()
                                  + ": expected a running node, or "
                                    "--segment FILE"};
  return made;
}

expected<std::unique_ptr<target>>
open_node_target(const std::string& address,
                 std::chrono::milliseconds timeout) {
  auto client = connect_to_node(address, timeout);
  if (!client)
    return client.error();
  return std::unique_ptr<target>{
    std::make_unique<node_target>(address, std::move(*client))};
}

} // namespace neuroplex::cli
