// Transactions, where nodes agree on a database: MULTI, EXEC, DISCARD, WAIT.

#include "actors/resp/command.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <utility>

namespace neuroplex::resp {

void handle_multi(context& ctx) {
  auto& self = ctx.self;
  if (self.gathered)
    return ctx.reply.error("ERR MULTI calls can not be nested");
  const auto* cluster = ctx.shared.cluster();
  if (cluster == nullptr || !cluster->agreed(self.database))
    return ctx.reply.error(
      "ERR MULTI needs a database that is agreed on: give its namespace "
      "consistency=linearizable");
  self.gathered = session::transaction{};
  ctx.reply.ok();
}

void handle_exec(context& ctx) {
  if (!ctx.self.gathered)
    return ctx.reply.error("ERR EXEC without MULTI");
  auto what = *std::exchange(ctx.self.gathered, std::nullopt);
  if (what.broken)
    return ctx.reply.error(
      "EXECABORT Transaction discarded because of previous errors.");
  if (what.commands.empty())
    return ctx.reply.array(0);
  ctx.self.submit(std::move(what));
}

void handle_discard(context& ctx) {
  if (!ctx.self.gathered)
    return ctx.reply.error("ERR DISCARD without MULTI");
  ctx.self.gathered.reset();
  ctx.reply.ok();
}

// An answered write has its copies already, so there is nothing to wait for.
void handle_wait(context& ctx) {
  auto copies = parse_integer(ctx.args[1]);
  auto timeout_ms = parse_integer(ctx.args[2]);
  if (!copies || !timeout_ms)
    return ctx.reply.error(not_an_integer);
  if (*timeout_ms < 0)
    return ctx.reply.error("ERR timeout is negative");
  const auto* cluster = ctx.shared.cluster();
  auto others = cluster == nullptr ? std::size_t{0}
                                   : cluster->other_copies(ctx.self.database);
  ctx.reply.integer(static_cast<std::int64_t>(others));
}

} // namespace neuroplex::resp
