// The part of a session that has commands executed by other nodes.

#include "actors/resp/reply_merge.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <algorithm>

namespace neuroplex::resp {

namespace {

std::vector<std::string> copy_of(arguments args) {
  return {args.begin(), args.end()};
}

std::vector<std::string_view> views_of(const std::vector<std::string>& args) {
  return {args.begin(), args.end()};
}

} // namespace

// The parts of one reply while they come in. Completions hold it; the session
// may go first.
struct session::gathering {
  merge_rule rule = merge_rule::none;
  std::vector<remote_reply> parts;
  std::vector<std::size_t> places;
  std::size_t missing = 0;
  std::size_t scan_node = 0;
  std::size_t scan_nodes = 0; // 0 unless the reply is one of SCAN
  std::weak_ptr<pending_reply> slot;
  std::shared_ptr<std::size_t> held;
  service* shared = nullptr;
  std::uint64_t session_id = 0;

  void arrived(std::size_t part, remote_reply reply) {
    parts[part] = std::move(reply);
    if (--missing == 0)
      finish();
  }

  void finish() {
    auto target = slot.lock();
    if (target == nullptr) // the client has left
      return;
    target->bytes = scan_nodes != 0
                      ? merge_scan(parts.front(), scan_node, scan_nodes)
                      : merge_replies(rule, parts, places);
    if (target->muted)
      target->bytes.clear();
    target->ready = true;
    *held += target->bytes.size();
    if (shared->reply_ready)
      shared->reply_ready(session_id);
  }
};

std::shared_ptr<session::gathering> session::new_gathering(merge_rule rule,
                                                           std::size_t parts) {
  pending_.push_back(std::make_shared<pending_reply>());
  auto whole = std::make_shared<gathering>();
  whole->rule = rule;
  whole->parts.resize(parts);
  whole->missing = parts;
  whole->slot = pending_.back();
  whole->held = held_;
  whole->shared = &shared_;
  whole->session_id = identity_.id;
  return whole;
}

void session::submit_part(owner_id owner, std::vector<std::string> command,
                          const std::shared_ptr<gathering>& whole,
                          std::size_t part) {
  if (owner == owner_id::here) {
    auto views = views_of(command);
    return whole->arrived(part, {errc::ok, run_part(views)});
  }
  shared_.cluster()->submit(
    owner, {identity_.id, database, protocol, std::move(command), {}},
    [whole, part](remote_reply reply) {
      whole->arrived(part, std::move(reply));
    });
}

std::string session::run_part(arguments args) {
  byte_buffer output;
  writer reply{output, protocol};
  const auto* row = find_command(args[0]);
  NEUROPLEX_ENSURE(row != nullptr && row->handler != nullptr);
  run_local(*row, args, reply);
  return std::string{output.view()};
}

bool session::is_everywhere(const command_row& row) noexcept {
  return (row.flags & flag_everywhere) != 0;
}

bool session::routed_elsewhere(const command_row& row, arguments args,
                               writer& reply) {
  if (is_everywhere(row))
    return sent_everywhere(row, args);
  auto first = static_cast<std::size_t>(row.first_key);
  auto last =
    row.last_key < 0 ? args.size() - 1 : static_cast<std::size_t>(row.last_key);
  auto step = static_cast<std::size_t>(row.key_step);
  auto& cluster = *shared_.cluster();
  auto owner = cluster.owner_of(database, args[first]);
  auto single = true;
  for (auto i = first + step; i <= last && single; i += step)
    single = cluster.owner_of(database, args[i]) == owner;
  // What cannot be split is for owners that have all of its keys.
  if (!single && row.merge == merge_rule::none
      && cluster.shards_of(database).empty())
    return false;
  if (!single && row.merge == merge_rule::none) {
    reply.error("CROSSSLOT Keys in request don't hash to the same slot");
    return true;
  }
  if (!single) {
    send_split(row, args);
    return true;
  }
  if (owner == owner_id::here)
    return false;
  submit_part(owner, copy_of(args), new_gathering(merge_rule::none, 1), 0);
  return true;
}

void session::send_split(const command_row& row, arguments args) {
  auto step = static_cast<std::size_t>(row.key_step);
  std::vector<owner_id> owners;
  std::vector<std::vector<std::string>> commands;
  std::vector<std::size_t> places;
  for (std::size_t i = 1; i < args.size(); i += step) {
    auto owner = shared_.cluster()->owner_of(database, args[i]);
    auto at = static_cast<std::size_t>(
      std::find(owners.begin(), owners.end(), owner) - owners.begin());
    if (at == owners.size()) {
      owners.push_back(owner);
      commands.push_back({std::string{args[0]}});
    }
    places.push_back(at);
    for (auto j = i; j < std::min(i + step, args.size()); ++j)
      commands[at].emplace_back(args[j]);
  }
  auto whole = new_gathering(row.merge, owners.size());
  whole->places = std::move(places);
  for (std::size_t i = 0; i < owners.size(); ++i)
    submit_part(owners[i], std::move(commands[i]), whole, i);
}

bool session::sent_everywhere(const command_row& row, arguments args) {
  auto& cluster = *shared_.cluster();
  if (auto shards = cluster.shards_of(database); !shards.empty()) {
    auto whole = new_gathering(
      shards.size() == 1 ? merge_rule::none : row.merge, shards.size());
    for (std::size_t i = 0; i < shards.size(); ++i)
      submit_part(shards[i], copy_of(args), whole, i);
    return true;
  }
  // No command clears databases that other nodes have a part in.
  for (std::uint32_t each = 0; each < bounds::databases; ++each)
    if (auto shards = cluster.shards_of(each);
        !shards.empty() && row.handler == handle_flushall) {
      submit_part(shards.front(), copy_of(args),
                  new_gathering(merge_rule::none, 1), 0);
      return true;
    }
  for (std::uint32_t each = 0; each < bounds::databases; ++each)
    if ((row.flags & flag_write) != 0 && cluster.agreed(each)
        && (each == database || row.handler == handle_flushall)) {
      submit_part(cluster.owner_of(each, {}), copy_of(args),
                  new_gathering(merge_rule::none, 1), 0);
      return true;
    }
  // What this node has applied is shown.
  if (cluster.agreed(database))
    return false;
  auto others = shared_.cluster()->others();
  if (others.empty())
    return false;
  if (row.handler == handle_scan)
    return sent_scan(args, others);
  auto whole = new_gathering(row.merge, others.size() + 1);
  submit_part(owner_id::here, copy_of(args), whole, 0);
  for (std::size_t i = 0; i < others.size(); ++i)
    submit_part(others[i], copy_of(args), whole, i + 1);
  return true;
}

bool session::sent_scan(arguments args, const std::vector<owner_id>& others) {
  auto number = parse_cursor(args[1]);
  if (!number)
    return false; // the local handler has the words for it
  auto cursor = decode_cursor(*number);
  if (cursor.node > others.size())
    cursor = {others.size(), 0}; // a node has left: what is there was shown
  auto command = copy_of(args);
  command[1] = std::to_string(cursor.position);
  auto whole = new_gathering(merge_rule::none, 1);
  whole->scan_node = cursor.node;
  whole->scan_nodes = others.size() + 1;
  submit_part(cursor.node == 0 ? owner_id::here : others[cursor.node - 1],
              std::move(command), whole, 0);
  return true;
}

// A transaction is executed by one owner, so all its keys must have the same.
void session::gather(const command_row& row, arguments args, writer& reply) {
  auto& into = *gathered;
  auto refuse = [&](std::string_view why) {
    into.broken = true;
    shared_.counters.failed_commands.add();
    reply.error(why);
  };
  if (row.first_key == 0)
    return refuse("ERR '" + std::string{row.name}
                  + "' is not offered inside MULTI");
  auto last =
    row.last_key < 0 ? args.size() - 1 : static_cast<std::size_t>(row.last_key);
  for (auto i = static_cast<std::size_t>(row.first_key); i <= last;
       i += static_cast<std::size_t>(row.key_step)) {
    auto owner = shared_.cluster()->owner_of(database, args[i]);
    if (into.owner == owner_id::here)
      into.owner = owner;
    if (into.owner != owner)
      return refuse("CROSSSLOT Keys in request don't hash to the same slot");
  }
  for (auto word : args)
    into.bytes += word.size();
  if (into.commands.size() == bounds::max_queued_commands
      || into.bytes > bounds::max_queued_bytes)
    return refuse("ERR the transaction is too large");
  into.commands.push_back(copy_of(args));
  reply.status("QUEUED");
}

void session::submit(transaction what) {
  shared_.counters.remote_commands.add();
  auto whole = new_gathering(merge_rule::none, 1);
  shared_.cluster()->submit(
    what.owner,
    {identity_.id, database, protocol, {"exec"}, std::move(what.commands)},
    [whole](remote_reply reply) { whole->arrived(0, std::move(reply)); });
}

void session::keep_detour() {
  if (detour_.empty())
    return;
  pending_.back()->tail += detour_.view();
  *held_ += detour_.size();
  detour_.clear();
}

void session::take_ready(byte_buffer& output) {
  while (!pending_.empty() && pending_.front()->ready) {
    auto& front = *pending_.front();
    output.append(front.bytes);
    output.append(front.tail);
    *held_ -= front.bytes.size() + front.tail.size();
    pending_.pop_front();
  }
  if (output.size() + *held_ > shared_.max_reply_bytes())
    cut_off_ = true;
}

} // namespace neuroplex::resp
