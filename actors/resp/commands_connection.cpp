// Commands on the connection itself: PING, HELLO, AUTH, SELECT, CLIENT.

#include "actors/resp/command.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <algorithm>

namespace neuroplex::resp {

namespace {

constexpr std::string_view server_version = "7.0.15";

bool printable_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= '!' && c <= '~'; });
}

bool valid_name(context& ctx, std::string_view name) {
  if (printable_word(name) && name.size() <= bounds::max_client_name_bytes)
    return true;
  ctx.reply.error("ERR Client names cannot contain spaces, newlines or special "
                  "characters.");
  return false;
}

constexpr std::string_view wrong_password =
  "WRONGPASS invalid username-password pair or user is disabled.";

} // namespace

void handle_ping(context& ctx) {
  if (ctx.args.size() > 2)
    return ctx.reply.error("ERR wrong number of arguments for 'ping' command");
  if (ctx.args.size() == 2)
    return ctx.reply.bulk(ctx.args[1]);
  ctx.reply.status("PONG");
}

void handle_echo(context& ctx) {
  ctx.reply.bulk(ctx.args[1]);
}

void handle_hello(context& ctx) {
  auto wanted = ctx.self.protocol;
  std::size_t next = 1;
  if (ctx.args.size() >= 2) {
    auto version = parse_integer(ctx.args[1]);
    if (!version)
      return ctx.reply.error(
        "ERR Protocol version is not an integer or out of range");
    if (*version < 2 || *version > 3)
      return ctx.reply.error("NOPROTO unsupported protocol version");
    wanted = static_cast<std::uint8_t>(*version);
    next = 2;
  }
  std::string_view user;
  std::string_view password;
  std::string_view name;
  auto has_auth = false;
  auto has_name = false;
  while (next < ctx.args.size()) {
    auto word = ctx.args[next];
    auto left = ctx.args.size() - next - 1;
    if (same_word(word, "auth") && left >= 2) {
      user = ctx.args[next + 1];
      password = ctx.args[next + 2];
      has_auth = true;
      next += 3;
    } else if (same_word(word, "setname") && left >= 1) {
      name = ctx.args[next + 1];
      has_name = true;
      next += 2;
    } else {
      return ctx.reply.error("ERR Syntax error in HELLO option '"
                             + std::string{word} + "'");
    }
  }
  if (has_name && !valid_name(ctx, name))
    return;
  if (has_auth && !ctx.self.authenticate(user, password))
    return ctx.reply.error(wrong_password);
  if (!ctx.self.authenticated)
    return ctx.reply.error(
      "NOAUTH HELLO must be called with the client already authenticated, "
      "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
      "authenticate the client and select the RESP protocol version at the "
      "same time");
  if (has_name)
    ctx.self.name = name;
  ctx.self.protocol = wanted;
  ctx.reply.set_protocol(wanted);
  ctx.reply.map(7);
  ctx.reply.bulk("server");
  ctx.reply.bulk("redis");
  ctx.reply.bulk("version");
  ctx.reply.bulk(server_version);
  ctx.reply.bulk("proto");
  ctx.reply.integer(wanted);
  ctx.reply.bulk("id");
  ctx.reply.integer(static_cast<std::int64_t>(ctx.self.identity().id));
  ctx.reply.bulk("mode");
  ctx.reply.bulk("standalone");
  ctx.reply.bulk("role");
  ctx.reply.bulk("master");
  ctx.reply.bulk("modules");
  ctx.reply.array(0);
}

void handle_auth(context& ctx) {
  if (ctx.args.size() > 3)
    return ctx.reply.error(syntax_error);
  if (ctx.args.size() == 2 && !ctx.shared.guard.required())
    return ctx.reply.error(
      "ERR AUTH <password> called without any password configured for the "
      "default user. Are you sure your configuration is correct?");
  auto user = ctx.args.size() == 3 ? ctx.args[1] : "default";
  if (!ctx.self.authenticate(user, ctx.args.back()))
    return ctx.reply.error(wrong_password);
  ctx.reply.ok();
}

void handle_select(context& ctx) {
  auto database = parse_integer(ctx.args[1]);
  if (!database)
    return ctx.reply.error(not_an_integer);
  if (*database < 0 || *database >= bounds::databases)
    return ctx.reply.error("ERR DB index is out of range");
  auto number = static_cast<std::uint32_t>(*database);
  auto space = ctx.shared.open_database(number);
  if (!space)
    return reply_failure(ctx, space.code());
  ctx.self.database = number;
  ctx.self.space = *space;
  ctx.reply.ok();
}

void handle_quit(context& ctx) {
  ctx.self.close_after_replies();
  ctx.reply.ok();
}

void handle_reset(context& ctx) {
  ctx.self.reset();
  ctx.reply.set_protocol(ctx.self.protocol);
  ctx.reply.status("RESET");
}

void handle_client_id(context& ctx) {
  ctx.reply.integer(static_cast<std::int64_t>(ctx.self.identity().id));
}

void handle_client_info(context& ctx) {
  ctx.reply.verbatim(ctx.self.describe() + "\n");
}

void handle_client_list(context& ctx) {
  if (ctx.args.size() > 2) {
    auto by_type = ctx.args.size() == 4 && same_word(ctx.args[2], "type");
    if (!by_type)
      return ctx.reply.error(syntax_error);
    if (!same_word(ctx.args[3], "normal")) {
      for (auto known : {"master", "replica", "slave", "pubsub"})
        if (same_word(ctx.args[3], known))
          return ctx.reply.verbatim({});
      return ctx.reply.error("ERR Unknown client type '"
                             + std::string{ctx.args[3]} + "'");
    }
  }
  std::string lines;
  if (ctx.shared.clients() != nullptr)
    ctx.shared.clients()->list(lines);
  else
    lines = ctx.self.describe() + "\n";
  ctx.reply.verbatim(lines);
}

void handle_client_getname(context& ctx) {
  if (ctx.self.name.empty())
    ctx.reply.null();
  else
    ctx.reply.bulk(ctx.self.name);
}

void handle_client_setname(context& ctx) {
  if (!valid_name(ctx, ctx.args[2]))
    return;
  ctx.self.name = ctx.args[2];
  ctx.reply.ok();
}

void handle_client_setinfo(context& ctx) {
  auto value = ctx.args[3];
  auto is_name = same_word(ctx.args[2], "lib-name");
  if (!is_name && !same_word(ctx.args[2], "lib-ver"))
    return ctx.reply.error("ERR Unrecognized option '"
                           + std::string{ctx.args[2]} + "'");
  if (!printable_word(value) || value.size() > bounds::max_client_name_bytes)
    return ctx.reply.error("ERR " + lower_copy(ctx.args[2])
                           + " cannot contain spaces, newlines or special "
                             "characters.");
  (is_name ? ctx.self.library_name : ctx.self.library_version) = value;
  ctx.reply.ok();
}

void handle_client_reply(context& ctx) {
  using mode = session::reply_mode;
  if (same_word(ctx.args[2], "on")) {
    ctx.self.replies = mode::on;
    ctx.reply.ok();
  } else if (same_word(ctx.args[2], "off")) {
    ctx.self.replies = mode::off;
  } else if (same_word(ctx.args[2], "skip")) {
    if (ctx.self.replies == mode::on)
      ctx.self.replies = mode::skip_next;
  } else {
    ctx.reply.error(syntax_error);
  }
}

void handle_client_no_evict(context& ctx) {
  // Connections are never evicted here, so both answers are true.
  if (!same_word(ctx.args[2], "on") && !same_word(ctx.args[2], "off"))
    return ctx.reply.error(syntax_error);
  ctx.reply.ok();
}

void handle_client_kill(context& ctx) {
  auto* clients = ctx.shared.clients();
  auto own_id = ctx.self.identity().id;
  if (ctx.args.size() == 3) {
    auto address = ctx.args[2];
    if (address == ctx.self.identity().peer_address)
      ctx.self.close_after_replies();
    else if (clients == nullptr || clients->kill(0, address, own_id) == 0)
      return ctx.reply.error("ERR No such client");
    return ctx.reply.ok();
  }
  std::uint64_t id = 0;
  std::string_view address;
  auto spare_self = true;
  for (std::size_t i = 2; i < ctx.args.size(); i += 2) {
    if (i + 1 == ctx.args.size())
      return ctx.reply.error(syntax_error);
    auto value = ctx.args[i + 1];
    if (same_word(ctx.args[i], "id")) {
      auto number = parse_integer(value);
      if (!number || *number < 1)
        return ctx.reply.error("ERR client-id should be greater than 0");
      id = static_cast<std::uint64_t>(*number);
    } else if (same_word(ctx.args[i], "addr")) {
      address = value;
    } else if (same_word(ctx.args[i], "skipme")
               && (same_word(value, "yes") || same_word(value, "no"))) {
      spare_self = same_word(value, "yes");
    } else {
      return ctx.reply.error(syntax_error);
    }
  }
  if (id == 0 && address.empty())
    return ctx.reply.error(syntax_error);
  std::size_t killed =
    clients == nullptr ? 0 : clients->kill(id, address, own_id);
  auto is_self =
    (id == 0 || id == own_id)
    && (address.empty() || address == ctx.self.identity().peer_address);
  if (is_self && !spare_self) {
    ctx.self.close_after_replies();
    ++killed;
  }
  ctx.reply.integer(static_cast<std::int64_t>(killed));
}

void handle_client_help(context& ctx) {
  reply_lines(
    ctx, {"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
          "GETNAME",
          "    Return the name of the current connection.",
          "ID",
          "    Return the ID of the current connection.",
          "INFO",
          "    Return information about the current connection.",
          "KILL <ip:port>|([ID <id>] [ADDR <ip:port>] [SKIPME (YES|NO)])",
          "    Close connections.",
          "LIST [TYPE NORMAL]",
          "    Return information about all connections.",
          "NO-EVICT (ON|OFF)",
          "    Accepted; connections are not evicted.",
          "REPLY (ON|OFF|SKIP)",
          "    Control the replies sent.",
          "SETINFO (LIB-NAME|LIB-VER) <text>",
          "    Tell the client library's name or version.",
          "SETNAME <name>",
          "    Assign a name to the connection.",
          "HELP",
          "    Print this help."});
}

} // namespace neuroplex::resp
