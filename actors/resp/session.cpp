#include "actors/resp/session.hpp"

#include "actors/resp/text.hpp"

#include <algorithm>

namespace neuroplex::resp {

namespace {

constexpr std::string_view not_authenticated =
  "NOAUTH Authentication required.";

// Bytes of an unknown command's arguments that its error repeats.
constexpr std::size_t shown_bytes = 128;

std::string_view until_zero(std::string_view text) {
  return text.substr(0, std::min(text.find('\0'), text.size()));
}

std::string unknown_command_text(arguments args) {
  std::string shown;
  for (auto argument : args.subspan(1)) {
    if (shown.size() >= shown_bytes)
      break;
    shown += '\'';
    shown += until_zero(argument).substr(0, shown_bytes + 1 - shown.size());
    shown += "' ";
  }
  return "ERR unknown command '"
         + std::string{until_zero(args[0]).substr(0, shown_bytes)}
         + "', with args beginning with: " + shown;
}

std::string upper_copy(std::string_view text) {
  std::string result{text};
  for (auto& c : result)
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - ('a' - 'A'));
  return result;
}

// First words of HTTP requests: a browser lured into posting to this port must
// not reach a command hidden in its body.
bool is_http(std::string_view word) {
  return same_word(word, "post") || same_word(word, "host:");
}

} // namespace

session::session(service& shared, client_identity identity)
  : shared_{shared}, identity_{std::move(identity)},
    held_{std::make_shared<std::size_t>(0)}, created_ms_{shared.now_ms()},
    last_command_ms_{created_ms_} {
  authenticated = !shared.guard.required();
}

std::size_t session::consume(std::string_view input, byte_buffer& output) {
  const auto& options = shared_.options();
  std::size_t used = 0;
  if (resume_at_ms_ != 0 && shared_.now_ms() >= resume_at_ms_)
    resume_at_ms_ = 0;
  while (!closing_ && !cut_off_ && resume_at_ms_ == 0 && !waits_for_replies()
         && output.size() + *held_ <= options.max_output_bytes) {
    parser::options allowed;
    allowed.max_bulk_bytes = shared_.max_value_bytes();
    allowed.authenticated = authenticated;
    if (!authenticated) {
      allowed.max_arguments = bounds::max_arguments_before_auth;
      allowed.max_bulk_bytes = bounds::max_bulk_bytes_before_auth;
    }
    auto outcome = parser_.next(input.substr(used), allowed);
    if (outcome == parser::outcome::need_more)
      break;
    if (outcome == parser::outcome::failed) {
      shared_.counters.protocol_errors.add();
      auto& target = pending_.empty() ? output : detour_;
      writer{target, protocol}.error(parser_.problem());
      keep_detour();
      closing_ = true;
      return input.size();
    }
    auto bytes = parser_.used_bytes();
    if (outcome == parser::outcome::command) {
      if (must_wait_for_auth(parser_.arguments()))
        break;
      execute(parser_.arguments(), output);
    }
    used += bytes;
  }
  return used;
}

void session::execute(arguments args, byte_buffer& output) {
  shared_.counters.commands.add();
  auto was_off = replies == reply_mode::off;
  auto muted = was_off || replies == reply_mode::skip_next;
  if (replies == reply_mode::skip_next)
    replies = reply_mode::on;
  auto& target = pending_.empty() ? output : detour_;
  auto size_before = target.size();
  auto pending_before = pending_.size();

  run(args, target);

  if (muted && !(was_off && replies == reply_mode::on)) {
    if (pending_.size() != pending_before)
      pending_.back()->muted = true;
    else
      target.truncate(size_before);
  }
  if (&target == &detour_)
    keep_detour();
}

void session::run(arguments args, byte_buffer& target) {
  writer reply{target, protocol};
  const auto* row = find_command(args[0]);
  if (row != nullptr && !row->subcommands.empty() && args.size() > 1) {
    const auto* subcommand = find_subcommand(*row, args[1]);
    if (subcommand == nullptr) {
      shared_.counters.failed_commands.add();
      return reply.error(
        "ERR unknown subcommand '"
        + std::string{until_zero(args[1]).substr(0, shown_bytes)} + "'. Try "
        + upper_copy(row->name) + " HELP.");
    }
    row = subcommand;
  }
  if (!admitted(row, args, reply)) {
    if (gathered)
      gathered->broken = true;
    return shared_.counters.failed_commands.add();
  }
  last_command_ = row->name;
  if (gathered && row->handler != handle_exec && row->handler != handle_discard
      && row->handler != handle_multi && row->handler != handle_reset
      && row->handler != handle_quit)
    return gather(*row, args, reply);
  if (shared_.cluster() != nullptr
      && (row->first_key != 0 || is_everywhere(*row))
      && routed_elsewhere(*row, args, reply))
    return shared_.counters.remote_commands.add();
  run_local(*row, args, reply);
}

bool session::admitted(const command_row* row, arguments args, writer& reply) {
  if (row == nullptr) {
    if (is_http(args[0]))
      cut_off_ = true;
    reply.error(unknown_command_text(args));
    return false;
  }
  if (!arity_fits(row->arity, args.size()) || row->handler == nullptr) {
    reply.error("ERR wrong number of arguments for '" + std::string{row->name}
                + "' command");
    return false;
  }
  if (!authenticated && (row->flags & flag_no_auth) == 0) {
    reply.error(not_authenticated);
    return false;
  }
  return true;
}

void session::run_local(const command_row& row, arguments args, writer& reply) {
  context ctx{*this, shared_, shared_.data(), space, reply, args};
  row.handler(ctx);
}

// Attempts to log in are delayed before they are looked at, so that a right
// and a wrong password wait alike.
bool session::must_wait_for_auth(arguments args) {
  if (!shared_.guard.required())
    return false;
  auto is_attempt = same_word(args[0], "auth")
                    || (same_word(args[0], "hello") && args.size() > 2);
  if (!is_attempt)
    return false;
  if (auth_waited_) {
    auth_waited_ = false;
    return false;
  }
  auto now_ms = shared_.now_ms();
  auto delay_ms = shared_.guard.delay_ms(now_ms);
  if (delay_ms == 0)
    return false;
  auth_waited_ = true;
  resume_at_ms_ = now_ms + delay_ms;
  return true;
}

bool session::authenticate(std::string_view user, std::string_view password) {
  // Compared whatever the user, so that the time does not tell who exists.
  auto right = shared_.guard.matches(password) || !shared_.guard.required();
  if (right && user == "default") {
    authenticated = true;
    return true;
  }
  shared_.counters.auth_failures.add();
  shared_.guard.count_failure(shared_.now_ms());
  return false;
}

void session::reset() {
  protocol = 2;
  database = 0;
  space = memory::namespace_id::default_namespace;
  authenticated = !shared_.guard.required();
  replies = reply_mode::on;
  name.clear();
  gathered.reset();
}

std::string session::describe() const {
  constexpr std::int64_t ms_a_second = 1'000;
  auto now_ms = shared_.now_ms();
  auto field = [](std::string_view key, const auto& value) {
    return " " + std::string{key} + "=" + std::to_string(value);
  };
  return "id=" + std::to_string(identity_.id) + " addr="
         + identity_.peer_address + " laddr=" + identity_.local_address
         + field("fd", identity_.descriptor) + " name=" + name
         + field("age", (now_ms - created_ms_) / ms_a_second)
         + field("idle", (now_ms - last_command_ms_) / ms_a_second) + " flags=N"
         + field("db", database) + " sub=0 psub=0 ssub=0 multi="
         + (gathered ? std::to_string(gathered->commands.size()) : "-1")
         + field("omem", held_bytes()) + " cmd=" + std::string{last_command_}
         + " user=default redir=-1" + field("resp", int{protocol})
         + " lib-name=" + library_name + " lib-ver=" + library_version;
}

void session::touch(std::int64_t now_ms) noexcept {
  last_command_ms_ = now_ms;
}

std::string session::execute_once(service& shared, std::uint32_t database,
                                  std::uint8_t protocol, arguments args) {
  byte_buffer output;
  session self{shared, {}};
  self.authenticated = true;
  self.protocol = protocol;
  self.database = database;
  if (auto* routed = shared.data().routed()) {
    routed->use_space(database_name(database));
    self.execute(args, output);
    return std::string{output.view()};
  }
  auto space = shared.open_database(database);
  if (space) {
    self.space = *space;
    self.execute(args, output);
  } else {
    writer{output, protocol}.error(failure_text(space.code()));
  }
  return std::string{output.view()};
}

} // namespace neuroplex::resp
