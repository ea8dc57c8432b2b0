#include "tests/sim/raft/describe.hpp"

#include <array>
#include <string_view>

namespace neuroplex::sim {

namespace {

std::string at(raft::log_index index, raft::term_number term) {
  return std::to_string(index) + "/" + std::to_string(term);
}

std::string text_of(const raft::vote_request& body) {
  return std::string{body.pre        ? "pre-vote?"
                     : body.transfer ? "vote (transfer)?"
                                     : "vote?"}
         + " last " + at(body.last_index, body.last_term);
}

std::string text_of(const raft::vote_reply& body) {
  return std::string{body.pre ? "pre-vote " : "vote "}
         + (body.granted ? "granted" : "denied");
}

std::string text_of(const raft::append_request& body) {
  auto text = "append after " + at(body.prev_index, body.prev_term) + " commit "
              + std::to_string(body.commit) + ":";
  for (const auto& one : body.entries) {
    text += " " + at(one.index, one.term);
  }
  return text;
}

std::string text_of(const raft::append_reply& body) {
  return body.rejected ? "rejected " + std::to_string(body.index) + " hint "
                           + at(body.hint_index, body.hint_term)
                       : "has up to " + std::to_string(body.index);
}

std::string text_of(const raft::heartbeat& body) {
  return "heartbeat round " + std::to_string(body.round) + " commit "
         + std::to_string(body.commit);
}

std::string text_of(const raft::heartbeat_reply& body) {
  return "heard round " + std::to_string(body.round);
}

std::string text_of(const raft::snapshot_chunk& body) {
  return "snapshot " + at(body.meta.index, body.meta.term) + " from byte "
         + std::to_string(body.offset) + " length "
         + std::to_string(body.data.size()) + (body.last ? " (last)" : "");
}

std::string text_of(const raft::snapshot_reply& body) {
  return "snapshot " + std::to_string(body.index)
         + (body.refused ? " refused"
            : body.installed
              ? " installed"
              : " wants byte " + std::to_string(body.next_offset));
}

std::string text_of(const raft::timeout_now& /*body*/) {
  return "campaign now";
}

std::string list_of(const std::vector<raft::member>& members) {
  std::string text;
  for (const auto& who : members) {
    text += (text.empty() ? "" : ",") + std::to_string(who.id);
    if (who.incarnation != 0) {
      text += "'" + std::to_string(who.incarnation);
    }
  }
  return text;
}

} // namespace

std::string node_name(raft::node_id node) {
  return "node " + std::to_string(node);
}

std::string describe(const raft::message& what) {
  return std::to_string(what.from) + " -> " + std::to_string(what.to) + " term "
         + std::to_string(what.term) + " "
         + std::visit([](const auto& body) { return text_of(body); },
                      what.body);
}

std::string describe(const raft::answer& what) {
  constexpr std::array<std::string_view, 5> kinds{
    "accepted", "refused", "unknown", "read ready", "transferred"};
  return "request " + std::to_string(what.request) + ": "
         + std::string{kinds.at(static_cast<std::size_t>(what.kind))} + " "
         + at(what.index, what.term)
         + (what.kind == raft::answer_kind::refused
              ? " " + std::string{raft::refusal_name(what.why)}
              : "");
}

std::string describe(const raft::configuration& members) {
  auto text = "voters " + list_of(members.voters);
  if (members.joint()) {
    text += " outgoing " + list_of(members.outgoing);
  }
  if (!members.learners.empty()) {
    text += " learners " + list_of(members.learners);
  }
  return text;
}

} // namespace neuroplex::sim
