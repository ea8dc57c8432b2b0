#include "consensus/pbft/options.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

struct option_rule {
  bool kept;
  const char* otherwise;
};

failure config_failure(std::string what) {
  return {errc::config, "pbft: " + std::move(what)};
}

bool has_duplicates(std::vector<node_id> ids) {
  std::sort(ids.begin(), ids.end());
  return std::adjacent_find(ids.begin(), ids.end()) != ids.end();
}

expected<void> validate_group(const options& all) {
  if (all.id == nobody)
    return config_failure("id: 0 is nobody: choose a number from 1");
  if (all.faults == 0)
    return config_failure("faults: must be at least 1: for nodes that may stop "
                          "but never lie use Raft");
  if (all.replicas.size() > limits::max_replicas)
    return config_failure("replicas: more than "
                          + std::to_string(limits::max_replicas));
  if (all.replicas.size() < 3 * all.faults + 1)
    return config_failure("replicas: " + std::to_string(all.replicas.size())
                          + " of them cannot "
                            "bear "
                          + std::to_string(all.faults) + " that lie: it takes "
                          + std::to_string(3 * all.faults + 1));
  if (std::find(all.replicas.begin(), all.replicas.end(), nobody)
      != all.replicas.end())
    return config_failure("replicas: id 0 is nobody");
  if (has_duplicates(all.replicas))
    return config_failure("replicas: an id is there twice");
  return {};
}

} // namespace

std::optional<std::size_t> options::index_of(node_id id) const noexcept {
  for (std::size_t i = 0; i < replicas.size(); ++i)
    if (replicas[i] == id)
      return i;
  return std::nullopt;
}

expected<void> options::validate() const {
  if (auto good = validate_group(*this); !good)
    return good;
  const option_rule rules[] = {
    {index_of(id).has_value(), "replicas: the node's own id is not among them"},
    {resend_interval > time::zero(), "resend_interval: must be above zero"},
    {request_timeout >= 2 * resend_interval,
     "request_timeout: must be at least twice resend_interval, so that what "
     "was lost comes again before another primary is wanted"},
    {longest_timeout >= request_timeout,
     "longest_timeout: must not be below request_timeout"},
    {longest_timeout <= std::chrono::hours{1},
     "longest_timeout: must not exceed an hour"},
    {checkpoint_interval > 0, "checkpoint_interval: must be above zero"},
    {window >= 2 * checkpoint_interval && window <= limits::max_window,
     "window: must be from twice checkpoint_interval to 1024"},
    {max_pipeline > 0, "max_pipeline: must be above zero"},
    {max_batch_requests > 0 && max_batch_requests <= limits::max_batch_requests,
     "max_batch_requests: out of range"},
    {max_batch_bytes > 0 && max_batch_bytes <= limits::max_batch_bytes,
     "max_batch_bytes: out of range"},
    {max_operation_bytes > 0
       && max_operation_bytes <= limits::max_operation_bytes,
     "max_operation_bytes: out of range"},
    {max_waiting_requests > 0, "max_waiting_requests: must be above zero"},
    {max_clients > 0 && max_clients <= limits::max_clients,
     "max_clients: out of range"},
  };
  for (const auto& rule : rules)
    if (!rule.kept)
      return config_failure(rule.otherwise);
  return {};
}

expected<void> options::validate_client() const {
  if (auto good = validate_group(*this); !good)
    return good;
  if (index_of(id))
    return config_failure("id: a client cannot have the id of a replica");
  if (request_timeout <= time::zero())
    return config_failure("request_timeout: must be above zero");
  return {};
}

} // namespace neuroplex::pbft
