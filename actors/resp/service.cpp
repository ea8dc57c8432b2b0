#include "actors/resp/service.hpp"

#include <algorithm>
#include <chrono>

namespace neuroplex::resp {

std::int64_t system_clock_ms() noexcept {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
    .count();
}

std::string database_name(std::uint32_t database) {
  return database == 0 ? "default" : "db" + std::to_string(database);
}

expected<void> service_options::validate() const {
  if (password.size() > bounds::max_password_bytes)
    return failure{errc::config,
                   "resp password: " + std::to_string(password.size())
                     + " bytes: at most "
                     + std::to_string(bounds::max_password_bytes)};
  if (max_output_bytes == 0 || max_reply_bytes < max_output_bytes)
    return failure{errc::config,
                   "resp output limits: max_output_bytes must be positive and "
                   "at most max_reply_bytes"};
  if (output_stall_ms <= 0 || idle_timeout_ms < 0)
    return failure{errc::config, "resp timeouts: output_stall_ms must be "
                                 "positive, idle_timeout_ms not negative"};
  if (max_clients == 0)
    return failure{errc::config, "resp max_clients: 0: at least 1"};
  return {};
}

service::service(memory::store& data, service_options options, remote* cluster,
                 client_directory* clients, routed_keys* routed)
  : guard{options.password}, random_state{0}, data_{data, routed},
    options_{std::move(options)}, cluster_{cluster}, clients_{clients},
    started_ms_{options_.clock_ms()} {
  max_value_bytes_ = std::clamp<std::uint64_t>(data.stats().max_value_bytes,
                                               neuroplex::limits::max_key_bytes,
                                               bounds::max_bulk_bytes);
  // A reply of the largest value must fit behind a full output buffer.
  max_reply_bytes_ = std::max(options_.max_reply_bytes,
                              options_.max_output_bytes + 2 * max_value_bytes_);
  options_.password.clear(); // the guard keeps what is needed of it
  random_state = static_cast<std::uint64_t>(started_ms_) | 1;
}

expected<memory::namespace_id> service::open_database(std::uint32_t database) {
  if (database == 0)
    return memory::namespace_id::default_namespace;
  return data_.segment().open_namespace(database_name(database));
}

std::optional<memory::namespace_id>
service::find_database(std::uint32_t database) {
  if (database == 0)
    return memory::namespace_id::default_namespace;
  auto found = data_.segment().find_namespace(database_name(database));
  if (!found)
    return std::nullopt;
  return *found;
}

void service::set_password(std::string_view password) {
  guard.set_password(password);
}

std::uint64_t service::random() noexcept {
  // Splitmix64: any seed will do, and one add keeps the state.
  auto z = random_state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

} // namespace neuroplex::resp
