#include "consensus/raft/options.hpp"

#include <algorithm>

namespace neuroplex::raft {

namespace {

constexpr std::uint32_t million = 1'000'000;

struct option_rule {
  bool kept;
  const char* otherwise;
};

failure config_failure(const char* what) {
  return {errc::config, std::string{"raft: "} + what};
}

} // namespace

expected<void> options::validate() const {
  const option_rule rules[] = {
    {id != nobody, "id: 0 is nobody: choose a number from 1"},
    {heartbeat_interval > time::zero(),
     "heartbeat_interval: must be above zero"},
    {election_timeout > 2 * heartbeat_interval,
     "election_timeout: must be above twice the heartbeat interval"},
    {election_timeout <= std::chrono::hours{1},
     "election_timeout: must not exceed an hour"},
    {!lease_reads || check_quorum,
     "lease_reads: needs check_quorum, on which the promise rests"},
    {max_clock_drift_ppm < million / 2,
     "max_clock_drift_ppm: must be below 500000"},
    {max_append_bytes > 0 && max_append_bytes <= limits::max_append_bytes,
     "max_append_bytes: out of range"},
    {max_append_entries > 0 && max_append_entries <= limits::max_append_entries,
     "max_append_entries: out of range"},
    {max_inflight_messages > 0
       && max_inflight_messages <= limits::max_inflight_messages,
     "max_inflight_messages: out of range"},
    {max_inflight_bytes >= max_append_bytes,
     "max_inflight_bytes: must hold one append (max_append_bytes)"},
    {max_payload_bytes > 0 && max_payload_bytes <= limits::max_payload_bytes,
     "max_payload_bytes: out of range"},
    {max_uncommitted_bytes >= max_payload_bytes,
     "max_uncommitted_bytes: must hold one payload (max_payload_bytes)"},
    {max_waiting_reads > 0, "max_waiting_reads: must be above zero"},
    {max_unapplied_entries > 0, "max_unapplied_entries: must be above zero"},
    {chunk_bytes > 0 && chunk_bytes <= limits::max_chunk_bytes,
     "chunk_bytes: out of range"},
  };
  for (const auto& rule : rules)
    if (!rule.kept)
      return config_failure(rule.otherwise);
  return {};
}

time options::lease_span() const noexcept {
  // A follower that keeps still for T on its clock does so for at least
  // T / (1 + drift) of true time; the leader's clock shows at most (1 - drift)
  // of that when it is the slow one.
  auto part = election_timeout / (million + max_clock_drift_ppm);
  return part * (million - max_clock_drift_ppm);
}

expected<void> validate_topology(node_id id, const configuration& members) {
  std::vector<node_id> ids;
  for (const auto* list : {&members.voters, &members.learners})
    for (const auto& one : *list)
      ids.push_back(one.id);
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
    return config_failure("peers: an id is there twice");
  if (!ids.empty() && ids.front() == nobody)
    return config_failure("peers: id 0 is nobody");
  if (ids.size() > limits::max_members)
    return config_failure("peers: too many");
  if (members.voters.empty())
    return config_failure("peers: no voter among them");
  if (members.voters.size() == 2)
    return config_failure("peers: two voters survive no failure: use one or "
                          "three");
  if (!std::binary_search(ids.begin(), ids.end(), id))
    return config_failure("peers: the node's own id is not among them");
  if (members.joint())
    return config_failure("peers: a first configuration cannot be joint");
  return {};
}

} // namespace neuroplex::raft
