#include "consensus/raft/session_table.hpp"

#include "consensus/wire.hpp"

#include <algorithm>

namespace neuroplex::raft {

namespace {

constexpr std::uint8_t table_version = 1;

failure corrupt_table() {
  return {errc::corrupt, "raft: not a table of client sessions"};
}

} // namespace

session_id session_table::open(log_index index) {
  while (!by_use_.empty() && sessions_.size() >= max_sessions_) {
    sessions_.erase(by_use_.front());
    by_use_.pop_front();
  }
  by_use_.push_back(index);
  auto& fresh = sessions_[index];
  fresh.place = std::prev(by_use_.end());
  return index;
}

bool session_table::close(session_id id) {
  auto found = sessions_.find(id);
  if (found == sessions_.end())
    return false;
  by_use_.erase(found->second.place);
  sessions_.erase(found);
  return true;
}

session_table::lookup session_table::begin(session_id id,
                                           std::uint64_t sequence,
                                           std::uint64_t acknowledged) {
  auto found = sessions_.find(id);
  if (found == sessions_.end())
    return {session_verdict::unknown, {}};
  auto& one = found->second;
  by_use_.splice(by_use_.end(), by_use_, one.place);
  // A client cannot have the answer to what it is only asking.
  acknowledged = std::min(acknowledged, sequence);
  if (acknowledged > one.forgotten_below) {
    one.forgotten_below = acknowledged;
    one.answers.erase(one.answers.begin(),
                      one.answers.lower_bound(acknowledged));
  }
  if (sequence < one.forgotten_below)
    return {session_verdict::forgotten, {}};
  if (auto known = one.answers.find(sequence); known != one.answers.end())
    return {session_verdict::repeated, known->second};
  if (sequence - one.forgotten_below >= window_)
    return {session_verdict::too_far, {}};
  return {session_verdict::execute, {}};
}

void session_table::remember(session_id id, std::uint64_t sequence,
                             std::string_view answer) {
  auto found = sessions_.find(id);
  if (found != sessions_.end())
    found->second.answers.insert_or_assign(
      sequence, std::string{answer.substr(0, limits::max_answer_bytes)});
}

void session_table::save(std::string& out) const {
  wire_writer writer{out};
  writer.put(table_version);
  writer.put(static_cast<std::uint64_t>(max_sessions_));
  writer.put(static_cast<std::uint64_t>(window_));
  writer.put(static_cast<std::uint64_t>(sessions_.size()));
  for (auto id : by_use_) {
    const auto& one = sessions_.at(id);
    writer.put(id);
    writer.put(one.forgotten_below);
    writer.put(static_cast<std::uint64_t>(one.answers.size()));
    for (const auto& [sequence, answer] : one.answers) {
      writer.put(sequence);
      writer.put_bytes(answer);
    }
  }
}

expected<session_table> session_table::load(std::string_view bytes) {
  wire_reader in{bytes};
  if (in.take<std::uint8_t>() != table_version)
    return corrupt_table();
  auto max_sessions = in.take<std::uint64_t>();
  auto window = in.take<std::uint64_t>();
  auto count = in.take<std::uint64_t>();
  if (max_sessions > limits::max_sessions || count > max_sessions)
    return corrupt_table();
  session_table table{max_sessions, window};
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    auto id = in.take<std::uint64_t>();
    auto forgotten_below = in.take<std::uint64_t>();
    auto answers = in.take<std::uint64_t>();
    if (table.sessions_.contains(id) || answers > window)
      return corrupt_table();
    auto& one = table.sessions_[table.open(id)];
    one.forgotten_below = forgotten_below;
    for (std::uint64_t k = 0; k < answers && !in.failed(); ++k) {
      auto sequence = in.take<std::uint64_t>();
      auto answer = in.take_bytes(limits::max_answer_bytes);
      if (sequence < forgotten_below
          || (!one.answers.empty() && one.answers.rbegin()->first >= sequence))
        return corrupt_table();
      one.answers.emplace_hint(one.answers.end(), sequence, answer);
    }
  }
  if (!in.complete())
    return corrupt_table();
  return table;
}

} // namespace neuroplex::raft
