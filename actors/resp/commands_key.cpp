// Commands on keys whatever their values: expiry, deletion, scans.

#include "actors/resp/command.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <algorithm>
#include <limits>

namespace neuroplex::resp {

namespace {

using memory::entry_info;
using memory::scan_cursor;
using memory::scan_entry;

constexpr std::int64_t no_key = -2;
constexpr std::int64_t no_expiry = -1;

// Entries looked at between two checks of the output limit.
constexpr std::size_t keys_step = 4'096;
constexpr std::size_t default_scan_count = 10;

// Looks of RANDOMKEY at the store, each for about this many entries.
constexpr std::size_t random_step = 16;
constexpr int random_steps = 1'000'000;

struct expire_condition {
  bool only_without = false; // NX
  bool only_with = false;    // XX
  bool only_later = false;   // GT
  bool only_earlier = false; // LT

  [[nodiscard]] bool any() const {
    return only_without || only_with || only_later || only_earlier;
  }

  [[nodiscard]] bool allows(std::int64_t old_ms, std::int64_t new_ms) const {
    if (only_without && old_ms != 0)
      return false;
    if (only_with && old_ms == 0)
      return false;
    // An entry without expiry lives for ever: nothing is later.
    if (only_later && (old_ms == 0 || new_ms <= old_ms))
      return false;
    return !only_earlier || old_ms == 0 || new_ms < old_ms;
  }
};

bool parse_condition(context& ctx, expire_condition& result) {
  for (auto word : ctx.args.subspan(3)) {
    if (same_word(word, "nx")) {
      result.only_without = true;
    } else if (same_word(word, "xx")) {
      result.only_with = true;
    } else if (same_word(word, "gt")) {
      result.only_later = true;
    } else if (same_word(word, "lt")) {
      result.only_earlier = true;
    } else {
      ctx.reply.error("ERR Unsupported option " + std::string{word});
      return false;
    }
  }
  if (result.only_without
      && (result.only_with || result.only_later || result.only_earlier)) {
    ctx.reply.error("ERR NX and XX, GT or LT options at the same time are not "
                    "compatible");
    return false;
  }
  if (result.only_later && result.only_earlier) {
    ctx.reply.error("ERR GT and LT options at the same time are not "
                    "compatible");
    return false;
  }
  return true;
}

// Gives `key` the expiry `at_ms`, or removes it when that has passed.
errc apply_expiry(context& ctx, std::string_view key, std::int64_t at_ms) {
  auto ttl_ms = at_ms - ctx.shared.now_ms();
  return ttl_ms <= 0 ? ctx.data.erase(ctx.space, key)
                     : ctx.data.expire(ctx.space, key, ttl_ms);
}

// The same if the present expiry allows it; the value is written back under
// its version, so that looking and changing are one step.
errc apply_expiry_if(context& ctx, std::string_view key, std::int64_t at_ms,
                     const expire_condition& condition) {
  auto& value = ctx.shared.scratch;
  for (int i = 0; i < bounds::max_retries; ++i) {
    entry_info info;
    auto code = ctx.data.get(ctx.space, key, value, &info);
    if (code != errc::ok)
      return code;
    if (!condition.allows(info.expires_at_ms, at_ms))
      return errc::not_found;
    auto ttl_ms = at_ms - ctx.shared.now_ms();
    // A moment that has passed: expire almost at once rather than erase, so
    // that a value written meanwhile is not taken for the one looked at.
    code = ctx.data.replace(ctx.space, key, info.version, value,
                            {std::max<std::int64_t>(ttl_ms, 1), false});
    if (code == errc::mismatch)
      continue;
    if (code == errc::ok && ttl_ms <= 0)
      static_cast<void>(ctx.data.erase(ctx.space, key));
    return code;
  }
  return errc::busy;
}

void expire_at(context& ctx, bool seconds, bool absolute,
               std::string_view command) {
  expire_condition condition;
  if (!parse_condition(ctx, condition))
    return;
  auto given = parse_integer(ctx.args[2]);
  if (!given)
    return ctx.reply.error(not_an_integer);
  auto when = *given;
  if (seconds) {
    if (when > max_int64 / ms_a_second || when < min_int64 / ms_a_second)
      return reply_bad_expiry(ctx, command);
    when *= ms_a_second;
  }
  auto now_ms = ctx.shared.now_ms();
  if (!absolute) {
    if (when > max_int64 - now_ms)
      return reply_bad_expiry(ctx, command);
    when += now_ms;
  }
  if (when > now_ms && when - now_ms > neuroplex::limits::max_ttl_ms)
    return reply_bad_expiry(ctx, command);
  auto key = ctx.args[1];
  auto at_ms = std::max<std::int64_t>(when, 0);
  auto code = condition.any() ? apply_expiry_if(ctx, key, at_ms, condition)
                              : apply_expiry(ctx, key, at_ms);
  if (code != errc::ok && code != errc::not_found)
    return reply_failure(ctx, code);
  ctx.reply.integer(code == errc::ok ? 1 : 0);
}

// Replies what `show` makes of the expiry, or why there is none.
template <class Show>
void reply_expiry(context& ctx, Show show) {
  entry_info info;
  auto code = ctx.data.info(ctx.space, ctx.args[1], info);
  if (code == errc::not_found)
    return ctx.reply.integer(no_key);
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.integer(info.expires_at_ms == 0 ? no_expiry
                                            : show(info.expires_at_ms));
}

std::int64_t time_left(context& ctx, std::int64_t at_ms) {
  return std::max<std::int64_t>(at_ms - ctx.shared.now_ms(), 0);
}

std::int64_t to_seconds(std::int64_t ms) {
  return (ms + ms_a_second / 2) / ms_a_second;
}

// Replies with the collected keys, which `count` replies in
// ctx.shared.collected hold already.
void reply_collected(context& ctx, std::size_t count) {
  ctx.reply.array(count);
  ctx.reply.output().append(ctx.shared.collected.view());
  ctx.shared.collected.clear();
  ctx.shared.collected.shrink(bounds::kept_buffer_bytes);
}

struct scan_options {
  std::string_view pattern;
  bool has_pattern = false;
  bool nothing_matches = false; // a TYPE that no entry has
  std::size_t count = default_scan_count;
};

bool parse_scan_options(context& ctx, scan_options& result) {
  for (std::size_t i = 2; i < ctx.args.size(); i += 2) {
    if (i + 1 == ctx.args.size()) {
      ctx.reply.error(syntax_error);
      return false;
    }
    auto word = ctx.args[i];
    auto value = ctx.args[i + 1];
    if (same_word(word, "count")) {
      auto count = parse_integer(value);
      if (!count || *count < 1) {
        ctx.reply.error(count ? syntax_error : not_an_integer);
        return false;
      }
      result.count = std::min<std::size_t>(static_cast<std::size_t>(*count),
                                           bounds::max_scan_count);
    } else if (same_word(word, "match")) {
      result.pattern = value;
      result.has_pattern = value != "*";
    } else if (same_word(word, "type")) {
      result.nothing_matches = !same_word(value, "string");
    } else {
      ctx.reply.error(syntax_error);
      return false;
    }
  }
  return true;
}

// Clears a database if it exists: looking at one must not make it.
errc clear_database(service& shared, std::uint32_t database) {
  if (auto* routed = shared.data().routed()) {
    routed->use_space(database_name(database));
    return routed->clear();
  }
  auto space = shared.find_database(database);
  if (!space)
    return errc::ok;
  std::uint64_t removed = 0;
  return shared.data().segment().clear(*space, removed);
}

// FLUSHDB and FLUSHALL take ASYNC or SYNC; both are done when answered.
bool flush_words_fit(context& ctx) {
  if (ctx.args.size() == 1
      || (ctx.args.size() == 2
          && (same_word(ctx.args[1], "async")
              || same_word(ctx.args[1], "sync"))))
    return true;
  ctx.reply.error(syntax_error);
  return false;
}

} // namespace

void handle_del(context& ctx) {
  std::int64_t removed = 0;
  for (auto key : ctx.args.subspan(1)) {
    auto code = ctx.data.erase(ctx.space, key);
    if (code != errc::ok && code != errc::not_found)
      return reply_failure(ctx, code);
    removed += code == errc::ok ? 1 : 0;
  }
  ctx.reply.integer(removed);
}

void handle_exists(context& ctx) {
  std::int64_t found = 0;
  for (auto key : ctx.args.subspan(1)) {
    auto code = ctx.data.find(ctx.space, key);
    if (code != errc::ok && code != errc::not_found)
      return reply_failure(ctx, code);
    found += code == errc::ok ? 1 : 0;
  }
  ctx.reply.integer(found);
}

void handle_type(context& ctx) {
  auto code = ctx.data.find(ctx.space, ctx.args[1]);
  if (code != errc::ok && code != errc::not_found)
    return reply_failure(ctx, code);
  ctx.reply.status(code == errc::ok ? "string" : "none");
}

void handle_expire(context& ctx) {
  expire_at(ctx, true, false, "expire");
}

void handle_pexpire(context& ctx) {
  expire_at(ctx, false, false, "pexpire");
}

void handle_expireat(context& ctx) {
  expire_at(ctx, true, true, "expireat");
}

void handle_pexpireat(context& ctx) {
  expire_at(ctx, false, true, "pexpireat");
}

void handle_ttl(context& ctx) {
  reply_expiry(ctx, [&ctx](std::int64_t at_ms) {
    return to_seconds(time_left(ctx, at_ms));
  });
}

void handle_pttl(context& ctx) {
  reply_expiry(ctx,
               [&ctx](std::int64_t at_ms) { return time_left(ctx, at_ms); });
}

void handle_expiretime(context& ctx) {
  reply_expiry(ctx, to_seconds);
}

void handle_pexpiretime(context& ctx) {
  reply_expiry(ctx, [](std::int64_t at_ms) { return at_ms; });
}

void handle_persist(context& ctx) {
  auto code = ctx.data.persist(ctx.space, ctx.args[1]);
  if (code != errc::ok && code != errc::not_found && code != errc::mismatch)
    return reply_failure(ctx, code);
  ctx.reply.integer(code == errc::ok ? 1 : 0);
}

void handle_scan(context& ctx) {
  auto position = parse_cursor(ctx.args[1]);
  if (!position)
    return ctx.reply.error("ERR invalid cursor");
  scan_options options;
  if (!parse_scan_options(ctx, options))
    return;
  scan_cursor cursor{*position};
  std::size_t matched = 0;
  writer collected{ctx.shared.collected, ctx.reply.protocol()};
  auto code = ctx.data.scan(
    ctx.space, cursor, options.count, [&](const scan_entry& entry) {
      if (options.nothing_matches
          || (options.has_pattern && !glob_match(options.pattern, entry.key)))
        return;
      collected.bulk(entry.key);
      ++matched;
    });
  if (code != errc::ok) {
    ctx.shared.collected.clear();
    if (code == errc::bad_argument)
      return ctx.reply.error("ERR invalid cursor");
    return reply_failure(ctx, code);
  }
  ctx.reply.array(2);
  ctx.reply.bulk(cursor.done() ? "0" : std::to_string(cursor.position));
  reply_collected(ctx, matched);
}

void handle_keys(context& ctx) {
  auto pattern = ctx.args[1];
  auto all = pattern == "*";
  std::size_t matched = 0;
  scan_cursor cursor;
  writer collected{ctx.shared.collected, ctx.reply.protocol()};
  while (!cursor.done()) {
    auto code =
      ctx.data.scan(ctx.space, cursor, keys_step, [&](const scan_entry& entry) {
        if (!all && !glob_match(pattern, entry.key))
          return;
        collected.bulk(entry.key);
        ++matched;
      });
    if (code != errc::ok) {
      ctx.shared.collected.clear();
      return reply_failure(ctx, code);
    }
    if (ctx.too_much_output()) {
      ctx.shared.collected.clear();
      break;
    }
  }
  reply_collected(ctx, matched);
}

void handle_randomkey(context& ctx) {
  // Goes on where the last one ended, after skipping a random number of
  // entries: cheap, and even enough to sample a store.
  auto& cursor = ctx.shared.random_cursors[ctx.self.database];
  auto skip = ctx.shared.random() % random_step;
  auto wrapped = false;
  std::string found;
  auto any = false;
  for (int i = 0; i < random_steps; ++i) {
    if (cursor.done()) {
      if (wrapped)
        break;
      cursor = {};
      wrapped = true;
    }
    auto code = ctx.data.scan(ctx.space, cursor, random_step,
                              [&](const scan_entry& entry) {
                                if (any && skip == 0)
                                  return;
                                skip -= skip > 0 ? 1 : 0;
                                found = entry.key;
                                any = true;
                              });
    if (code != errc::ok) {
      cursor = {};
      return reply_failure(ctx, code);
    }
    if (any)
      break;
  }
  if (any)
    ctx.reply.bulk(found);
  else
    ctx.reply.null();
}

void handle_dbsize(context& ctx) {
  std::uint64_t entries = 0;
  auto code = ctx.data.count(ctx.space, entries);
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.integer(static_cast<std::int64_t>(entries));
}

void handle_flushdb(context& ctx) {
  if (!flush_words_fit(ctx))
    return;
  auto code = clear_database(ctx.shared, ctx.self.database);
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.ok();
}

void handle_flushall(context& ctx) {
  if (!flush_words_fit(ctx))
    return;
  // Other namespaces of the segment are not databases of this protocol.
  for (std::uint32_t database = 0; database < bounds::databases; ++database) {
    auto code = clear_database(ctx.shared, database);
    if (code != errc::ok)
      return reply_failure(ctx, code);
  }
  ctx.reply.ok();
}

} // namespace neuroplex::resp
