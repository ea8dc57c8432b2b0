// COMMAND: the table of commands, told to clients.

#include "actors/resp/command.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <array>
#include <utility>

namespace neuroplex::resp {

namespace {

constexpr std::array<std::pair<std::uint16_t, std::string_view>, 6> flag_names{{
  {flag_write, "write"},
  {flag_readonly, "readonly"},
  {flag_denyoom, "denyoom"},
  {flag_fast, "fast"},
  {flag_no_auth, "no_auth"},
  {flag_admin, "admin"},
}};

void reply_flags(writer& reply, const command_row& row) {
  std::size_t count = 0;
  for (auto [flag, name] : flag_names)
    count += (row.flags & flag) != 0 ? 1 : 0;
  reply.set(count);
  for (auto [flag, name] : flag_names)
    if ((row.flags & flag) != 0)
      reply.status(name);
}

// The ten fields of COMMAND INFO: name, arity, flags, first key, last key,
// step, categories, tips, key specifications, subcommands.
void reply_info(writer& reply, const command_row& row) {
  reply.array(10);
  reply.bulk(row.name);
  reply.integer(row.arity);
  reply_flags(reply, row);
  reply.integer(row.first_key);
  reply.integer(row.last_key);
  reply.integer(row.key_step);
  reply.set(1);
  reply.status("@" + std::string{row.group});
  reply.array(0);
  reply.array(0);
  reply.array(row.subcommands.size());
  for (const auto& subcommand : row.subcommands)
    reply_info(reply, subcommand);
}

void reply_docs(writer& reply, const command_row& row) {
  reply.bulk(row.name);
  reply.map(row.subcommands.empty() ? 3 : 4);
  reply.bulk("summary");
  reply.bulk(row.summary);
  reply.bulk("since");
  reply.bulk(row.since);
  reply.bulk("group");
  reply.bulk(row.group);
  if (row.subcommands.empty())
    return;
  reply.bulk("subcommands");
  reply.map(row.subcommands.size());
  for (const auto& subcommand : row.subcommands)
    reply_docs(reply, subcommand);
}

// The command "get" or the subcommand "client|id", or nullptr.
const command_row* find_full_name(std::string_view name) {
  auto bar = name.find('|');
  const auto* row = find_command(name.substr(0, bar));
  if (row == nullptr || bar == std::string_view::npos)
    return row;
  return find_subcommand(*row, name.substr(bar + 1));
}

} // namespace

void handle_command(context& ctx) {
  ctx.reply.array(all_commands().size());
  for (const auto& row : all_commands())
    reply_info(ctx.reply, row);
}

void handle_command_count(context& ctx) {
  ctx.reply.integer(static_cast<std::int64_t>(all_commands().size()));
}

void handle_command_docs(context& ctx) {
  if (ctx.args.size() == 2) {
    ctx.reply.map(all_commands().size());
    for (const auto& row : all_commands())
      reply_docs(ctx.reply, row);
    return;
  }
  std::size_t known = 0;
  for (auto name : ctx.args.subspan(2))
    known += find_full_name(name) != nullptr ? 1 : 0;
  ctx.reply.map(known);
  for (auto name : ctx.args.subspan(2))
    if (const auto* row = find_full_name(name))
      reply_docs(ctx.reply, *row);
}

void handle_command_info(context& ctx) {
  if (ctx.args.size() == 2)
    return handle_command(ctx);
  ctx.reply.array(ctx.args.size() - 2);
  for (auto name : ctx.args.subspan(2)) {
    const auto* row = find_full_name(name);
    if (row != nullptr)
      reply_info(ctx.reply, *row);
    else if (ctx.reply.protocol() == 3)
      ctx.reply.null();
    else
      ctx.reply.output().append("*-1\r\n");
  }
}

void handle_command_list(context& ctx) {
  auto filtered = ctx.args.size() != 2;
  if (filtered
      && (ctx.args.size() != 5 || !same_word(ctx.args[2], "filterby")
          || !same_word(ctx.args[3], "pattern")))
    return ctx.reply.error(syntax_error);
  auto matches = [&](const command_row& row) {
    return !filtered || glob_match(ctx.args[4], row.name, true);
  };
  std::size_t count = 0;
  for (const auto& row : all_commands())
    count += matches(row) ? 1 : 0;
  ctx.reply.set(count);
  for (const auto& row : all_commands())
    if (matches(row))
      ctx.reply.bulk(row.name);
}

void handle_command_getkeys(context& ctx) {
  auto command = ctx.args.subspan(2);
  const auto* row = find_command(command[0]);
  if (row != nullptr && !row->subcommands.empty() && command.size() > 1)
    row = find_subcommand(*row, command[1]);
  if (row == nullptr)
    return ctx.reply.error("ERR Invalid command specified");
  if (row->first_key == 0)
    return ctx.reply.error("ERR The command has no key arguments");
  if (!arity_fits(row->arity, command.size()))
    return ctx.reply.error("ERR Invalid number of arguments specified for "
                           "command");
  auto first = static_cast<std::size_t>(row->first_key);
  auto step = static_cast<std::size_t>(row->key_step);
  auto last = row->last_key < 0 ? command.size() - 1
                                : static_cast<std::size_t>(row->last_key);
  ctx.reply.array((last - first) / step + 1);
  for (auto i = first; i <= last; i += step)
    ctx.reply.bulk(command[i]);
}

void handle_command_help(context& ctx) {
  constexpr std::array<std::string_view, 11> lines{
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the number of commands.",
    "DOCS [<command-name> ...]",
    "    Return documentation of commands.",
    "INFO [<command-name> ...]",
    "    Return details about commands.",
    "LIST [FILTERBY PATTERN <pattern>]",
    "    Return the names of commands.",
  };
  ctx.reply.array(lines.size());
  for (auto line : lines)
    ctx.reply.status(line);
}

} // namespace neuroplex::resp
