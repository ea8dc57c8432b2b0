#include "consensus/raft/effects.hpp"

namespace neuroplex::raft {

std::string_view role_name(role which) noexcept {
  switch (which) {
    case role::follower:
      return "follower";
    case role::pre_candidate:
      return "pre_candidate";
    case role::candidate:
      return "candidate";
    case role::leader:
      return "leader";
    case role::stopped:
      return "stopped";
  }
  return "unknown";
}

std::string_view refusal_name(refusal why) noexcept {
  switch (why) {
    case refusal::none:
      return "none";
    case refusal::not_leader:
      return "not_leader";
    case refusal::transferring:
      return "transferring";
    case refusal::too_much_in_flight:
      return "too_much_in_flight";
    case refusal::too_large:
      return "too_large";
    case refusal::no_commit_yet:
      return "no_commit_yet";
    case refusal::change_in_progress:
      return "change_in_progress";
    case refusal::bad_change:
      return "bad_change";
    case refusal::not_a_learner:
      return "not_a_learner";
    case refusal::learner_behind:
      return "learner_behind";
    case refusal::not_a_voter:
      return "not_a_voter";
    case refusal::timed_out:
      return "timed_out";
    case refusal::stopped:
      return "stopped";
  }
  return "unknown";
}

void effects::clear() {
  messages.clear();
  write.reset();
  committed.clear();
  answers.clear();
  chunk_reads.clear();
  store.reset();
  install.reset();
  role.reset();
  membership.reset();
}

bool effects::empty() const noexcept {
  return messages.empty() && !write && committed.empty() && answers.empty()
         && chunk_reads.empty() && !store && !install && !role && !membership;
}

} // namespace neuroplex::raft
