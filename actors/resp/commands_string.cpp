// Commands on string values: GET, SET and their kin.

#include "actors/resp/command.hpp"
#include "actors/resp/session.hpp"
#include "actors/resp/text.hpp"

#include <algorithm>
#include <limits>

namespace neuroplex::resp {

namespace {

using memory::entry_info;
using memory::set_options;

// Values of scratch strings above this are not kept for the next command.
constexpr std::size_t kept_scratch_bytes = std::size_t{64} << 10;

enum class expiry_kind : std::uint8_t {
  none,    // no word about it
  at,      // a moment
  keep,    // KEEPTTL
  persist, // PERSIST
};

// The options of SET and GETEX behind key (and value).
struct string_options {
  bool only_if_absent = false;
  bool only_if_present = false;
  bool get_old = false;
  expiry_kind expiry = expiry_kind::none;
  std::int64_t at_ms = 0;

  // Lifetime from now; zero or less when the moment has passed.
  [[nodiscard]] std::int64_t ttl_ms(const context& ctx) const {
    return at_ms - ctx.shared.now_ms();
  }
};

// Turns an expiry argument into a moment. Replies and answers false when it is
// none.
bool parse_expiry(context& ctx, std::string_view text, bool seconds,
                  bool absolute, std::string_view command,
                  std::int64_t& at_ms) {
  auto value = parse_integer(text);
  if (!value) {
    ctx.reply.error(not_an_integer);
    return false;
  }
  auto now_ms = absolute ? 0 : ctx.shared.now_ms();
  if (*value <= 0 || (seconds && *value > max_int64 / ms_a_second)
      || (seconds ? *value * ms_a_second : *value) > max_int64 - now_ms) {
    reply_bad_expiry(ctx, command);
    return false;
  }
  at_ms = now_ms + (seconds ? *value * ms_a_second : *value);
  if (at_ms - ctx.shared.now_ms() > neuroplex::limits::max_ttl_ms) {
    reply_bad_expiry(ctx, command);
    return false;
  }
  return true;
}

bool parse_string_options(context& ctx, std::size_t from, bool for_getex,
                          std::string_view command, string_options& result) {
  auto refuse = [&ctx] {
    ctx.reply.error(syntax_error);
    return false;
  };
  std::string_view expiry_word;
  std::string_view expiry_text;
  auto seconds = false;
  auto absolute = false;
  auto free_of_expiry = [&result] {
    return result.expiry == expiry_kind::none;
  };
  // The same word twice is no contradiction: the last one counts.
  auto repeats = [&](std::string_view word) {
    return result.expiry == expiry_kind::at
           && same_word(word, lower_copy(expiry_word));
  };
  for (auto i = from; i < ctx.args.size(); ++i) {
    auto word = ctx.args[i];
    if (!for_getex && same_word(word, "nx") && !result.only_if_present) {
      result.only_if_absent = true;
    } else if (!for_getex && same_word(word, "xx") && !result.only_if_absent) {
      result.only_if_present = true;
    } else if (!for_getex && same_word(word, "get")) {
      result.get_old = true;
    } else if (!for_getex && same_word(word, "keepttl")
               && (free_of_expiry() || result.expiry == expiry_kind::keep)) {
      result.expiry = expiry_kind::keep;
    } else if (for_getex && same_word(word, "persist")
               && (free_of_expiry() || result.expiry == expiry_kind::persist)) {
      result.expiry = expiry_kind::persist;
    } else if ((free_of_expiry() || repeats(word)) && i + 1 < ctx.args.size()
               && (same_word(word, "ex") || same_word(word, "px")
                   || same_word(word, "exat") || same_word(word, "pxat"))) {
      result.expiry = expiry_kind::at;
      seconds = to_lower(word[0]) == 'e';
      absolute = word.size() == 4;
      expiry_word = word;
      expiry_text = ctx.args[++i];
    } else {
      return refuse();
    }
  }
  // GETEX of an absent key has no use for its expiry, right or wrong.
  if (for_getex && result.expiry == expiry_kind::at
      && ctx.data.find(ctx.space, ctx.args[1]) == errc::not_found) {
    ctx.shared.counters.keyspace_misses.add();
    ctx.reply.null();
    return false;
  }
  return result.expiry != expiry_kind::at
         || parse_expiry(ctx, expiry_text, seconds, absolute, command,
                         result.at_ms);
}

// SET with NX or XX and GET: the old value and the decision belong to one
// moment.
errc conditional_exchange(context& ctx, const string_options& options,
                          const set_options& entry, bool& had_previous) {
  auto key = ctx.args[1];
  auto value = ctx.args[2];
  auto& previous = ctx.shared.scratch;
  for (int i = 0; i < bounds::max_retries; ++i) {
    had_previous = false;
    if (options.only_if_absent) {
      auto code = ctx.data.set_if_absent(ctx.space, key, value, entry);
      if (code != errc::exists)
        return code;
      code = ctx.data.get(ctx.space, key, previous);
      if (code == errc::not_found)
        continue;
      had_previous = code == errc::ok;
      return code;
    }
    entry_info info;
    auto code = ctx.data.get(ctx.space, key, previous, &info);
    if (code == errc::not_found)
      return errc::ok;
    if (code != errc::ok)
      return code;
    had_previous = true;
    code = ctx.data.replace(ctx.space, key, info.version, value, entry);
    if (code != errc::mismatch && code != errc::not_found)
      return code;
  }
  return errc::busy;
}

// A SET whose expiry lies in the past leaves no entry behind.
errc set_expired(context& ctx, const string_options& options,
                 bool& had_previous) {
  auto key = ctx.args[1];
  had_previous = false;
  if (options.only_if_absent) {
    if (!options.get_old) {
      auto there = ctx.data.find(ctx.space, key);
      return there == errc::ok          ? errc::exists
             : there == errc::not_found ? errc::ok
                                        : there;
    }
    auto code = ctx.data.get(ctx.space, key, ctx.shared.scratch);
    had_previous = code == errc::ok;
    return code == errc::not_found ? errc::ok : code;
  }
  auto code = ctx.data.take(ctx.space, key, ctx.shared.scratch);
  had_previous = code == errc::ok;
  if (code == errc::not_found)
    return options.only_if_present && !options.get_old ? errc::not_found
                                                       : errc::ok;
  return code;
}

void drop_big_scratch(service& shared) {
  if (shared.scratch.capacity() > kept_scratch_bytes)
    std::string{}.swap(shared.scratch);
}

void set_with_options(context& ctx, const string_options& options) {
  auto key = ctx.args[1];
  auto value = ctx.args[2];
  set_options entry;
  auto had_previous = false;
  errc code;
  if (options.expiry == expiry_kind::at)
    entry.ttl_ms = options.ttl_ms(ctx);
  entry.keep_ttl = options.expiry == expiry_kind::keep;
  if (options.expiry == expiry_kind::at && entry.ttl_ms <= 0)
    code = set_expired(ctx, options, had_previous);
  else if (options.get_old
           && (options.only_if_absent || options.only_if_present))
    code = conditional_exchange(ctx, options, entry, had_previous);
  else if (options.get_old)
    code = ctx.data.exchange(ctx.space, key, value, ctx.shared.scratch,
                             had_previous, entry);
  else if (options.only_if_absent)
    code = ctx.data.set_if_absent(ctx.space, key, value, entry);
  else if (options.only_if_present)
    code = ctx.data.set_if_present(ctx.space, key, value, entry);
  else
    code = ctx.data.set(ctx.space, key, value, entry);

  if (!options.get_old && (code == errc::exists || code == errc::not_found))
    return ctx.reply.null();
  if (code != errc::ok)
    return reply_failure(ctx, code);
  if (!options.get_old)
    return ctx.reply.ok();
  if (had_previous)
    ctx.reply.bulk(ctx.shared.scratch);
  else
    ctx.reply.null();
  drop_big_scratch(ctx.shared);
}

void set_with_lifetime(context& ctx, bool seconds, std::string_view command) {
  std::int64_t at_ms = 0;
  if (!parse_expiry(ctx, ctx.args[2], seconds, false, command, at_ms))
    return;
  set_options entry;
  entry.ttl_ms = std::max<std::int64_t>(at_ms - ctx.shared.now_ms(), 1);
  auto code = ctx.data.set(ctx.space, ctx.args[1], ctx.args[3], entry);
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.ok();
}

void add_to(context& ctx, std::int64_t delta) {
  std::int64_t result = 0;
  auto code = ctx.data.increment(ctx.space, ctx.args[1], delta, result);
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.integer(result);
}

void count_lookup(service& shared, errc code) {
  if (code == errc::ok)
    shared.counters.keyspace_hits.add();
  else
    shared.counters.keyspace_misses.add();
}

} // namespace

errc reply_value(context& ctx, std::string_view key) {
  // The value is read into the output behind a gap for its header, whose
  // length is that of the last one: a wrong guess moves the value a little.
  constexpr std::size_t longest_header = 16;
  constexpr std::size_t first_try_bytes = 512;
  auto& output = ctx.reply.output();
  auto value_room = first_try_bytes;
  for (int i = 0; i < bounds::max_retries; ++i) {
    auto* begin = output.prepare(longest_header + value_room + 2);
    auto gap = ctx.shared.value_offset;
    std::size_t bytes = 0;
    auto code = ctx.data.get(
      ctx.space, key, std::span{begin + gap, output.room() - gap - 2}, bytes);
    if (code == errc::value_size) {
      value_room = bytes; // another may replace it by a longer one meanwhile
      continue;
    }
    if (code != errc::ok)
      return code;
    char header[longest_header];
    header[0] = '$';
    auto* end = std::to_chars(header + 1, header + sizeof header, bytes).ptr;
    *end++ = '\r';
    *end++ = '\n';
    auto header_bytes = static_cast<std::size_t>(end - header);
    if (header_bytes != gap) {
      std::memmove(begin + header_bytes, begin + gap, bytes);
      ctx.shared.value_offset = header_bytes;
    }
    std::memcpy(begin, header, header_bytes);
    begin[header_bytes + bytes] = '\r';
    begin[header_bytes + bytes + 1] = '\n';
    output.commit(header_bytes + bytes + 2);
    return errc::ok;
  }
  return errc::busy;
}

void handle_get(context& ctx) {
  auto code = reply_value(ctx, ctx.args[1]);
  count_lookup(ctx.shared, code);
  if (code == errc::not_found)
    ctx.reply.null();
  else if (code != errc::ok)
    reply_failure(ctx, code);
}

void handle_set(context& ctx) {
  if (ctx.args.size() == 3) {
    auto code = ctx.data.set(ctx.space, ctx.args[1], ctx.args[2]);
    if (code != errc::ok)
      return reply_failure(ctx, code);
    return ctx.reply.ok();
  }
  string_options options;
  if (parse_string_options(ctx, 3, false, "set", options))
    set_with_options(ctx, options);
}

void handle_setnx(context& ctx) {
  auto code = ctx.data.set_if_absent(ctx.space, ctx.args[1], ctx.args[2]);
  if (code != errc::ok && code != errc::exists)
    return reply_failure(ctx, code);
  ctx.reply.integer(code == errc::ok ? 1 : 0);
}

void handle_setex(context& ctx) {
  set_with_lifetime(ctx, true, "setex");
}

void handle_psetex(context& ctx) {
  set_with_lifetime(ctx, false, "psetex");
}

void handle_getset(context& ctx) {
  string_options options;
  options.get_old = true;
  set_with_options(ctx, options);
}

void handle_getdel(context& ctx) {
  auto code = ctx.data.take(ctx.space, ctx.args[1], ctx.shared.scratch);
  count_lookup(ctx.shared, code);
  if (code == errc::not_found)
    return ctx.reply.null();
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.bulk(ctx.shared.scratch);
  drop_big_scratch(ctx.shared);
}

void handle_getex(context& ctx) {
  string_options options;
  if (!parse_string_options(ctx, 2, true, "getex", options))
    return;
  if (options.expiry == expiry_kind::none)
    return handle_get(ctx);
  auto key = ctx.args[1];
  auto& value = ctx.shared.scratch;
  for (int i = 0; i < bounds::max_retries; ++i) {
    entry_info info;
    auto code = ctx.data.get(ctx.space, key, value, &info);
    if (i == 0)
      count_lookup(ctx.shared, code);
    if (code == errc::not_found)
      return ctx.reply.null();
    if (code != errc::ok)
      return reply_failure(ctx, code);
    auto ttl_ms =
      options.expiry == expiry_kind::persist ? 0 : options.ttl_ms(ctx);
    if (options.expiry == expiry_kind::at && ttl_ms <= 0) {
      // Whatever is there now is what the caller gets and what goes.
      code = ctx.data.take(ctx.space, key, value);
    } else if (options.expiry == expiry_kind::at || info.expires_at_ms != 0) {
      // Writing the value back under its version makes reading and changing
      // the expiry one step.
      code =
        ctx.data.replace(ctx.space, key, info.version, value, {ttl_ms, false});
    }
    if (code == errc::mismatch || code == errc::not_found)
      continue;
    if (code != errc::ok)
      return reply_failure(ctx, code);
    ctx.reply.bulk(value);
    return drop_big_scratch(ctx.shared);
  }
  reply_failure(ctx, errc::busy);
}

void handle_mget(context& ctx) {
  auto keys = ctx.args.subspan(1);
  ctx.reply.array(keys.size());
  auto& gets = ctx.shared.gets;
  while (!keys.empty()) {
    auto count = std::min(keys.size(), bounds::batch_keys);
    if (gets.size() < count)
      gets.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      gets[i].key = keys[i];
      gets[i].status = errc::ok;
    }
    ctx.data.get_many(ctx.space, std::span{gets.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      auto& answer = gets[i];
      count_lookup(ctx.shared, answer.status);
      if (answer.status == errc::ok)
        ctx.reply.bulk(answer.value);
      else if (answer.status == errc::not_found)
        ctx.reply.null();
      else
        reply_failure(ctx, answer.status);
      if (answer.value.capacity() > kept_scratch_bytes)
        std::string{}.swap(answer.value);
      if (ctx.too_much_output())
        return;
    }
    keys = keys.subspan(count);
  }
}

void handle_mset(context& ctx) {
  if (ctx.args.size() % 2 == 0)
    return ctx.reply.error("ERR wrong number of arguments for 'mset' command");
  auto& sets = ctx.shared.sets;
  auto first_failure = errc::ok;
  auto rest = ctx.args.subspan(1);
  while (!rest.empty()) {
    auto count = std::min(rest.size() / 2, bounds::batch_keys);
    sets.resize(count);
    for (std::size_t i = 0; i < count; ++i)
      sets[i] = {rest[2 * i], rest[2 * i + 1], {}, errc::ok};
    ctx.data.set_many(ctx.space, sets);
    for (const auto& answer : sets)
      if (answer.status != errc::ok && first_failure == errc::ok)
        first_failure = answer.status;
    rest = rest.subspan(2 * count);
  }
  if (first_failure != errc::ok)
    return reply_failure(ctx, first_failure);
  ctx.reply.ok();
}

void handle_strlen(context& ctx) {
  entry_info info;
  auto code = ctx.data.info(ctx.space, ctx.args[1], info);
  count_lookup(ctx.shared, code);
  if (code != errc::ok && code != errc::not_found)
    return reply_failure(ctx, code);
  ctx.reply.integer(code == errc::ok ? info.value_bytes : 0);
}

void handle_append(context& ctx) {
  std::size_t bytes = 0;
  auto code = ctx.data.append(ctx.space, ctx.args[1], ctx.args[2], bytes);
  if (code != errc::ok)
    return reply_failure(ctx, code);
  ctx.reply.integer(static_cast<std::int64_t>(bytes));
}

void handle_getrange(context& ctx) {
  auto first = parse_integer(ctx.args[2]);
  auto last = parse_integer(ctx.args[3]);
  if (!first || !last)
    return ctx.reply.error(not_an_integer);
  auto& value = ctx.shared.scratch;
  auto code = ctx.data.get(ctx.space, ctx.args[1], value);
  count_lookup(ctx.shared, code);
  if (code == errc::not_found)
    return ctx.reply.bulk({});
  if (code != errc::ok)
    return reply_failure(ctx, code);
  auto bytes = static_cast<std::int64_t>(value.size());
  auto begin = *first;
  auto end = *last;
  auto backwards = begin < 0 && end < 0 && begin > end;
  if (begin < 0)
    begin = std::max<std::int64_t>(begin + bytes, 0);
  if (end < 0)
    end = std::max<std::int64_t>(end + bytes, 0);
  end = std::min(end, bytes - 1);
  if (backwards || begin > end || bytes == 0)
    ctx.reply.bulk({});
  else
    ctx.reply.bulk(std::string_view{value}.substr(
      static_cast<std::size_t>(begin),
      static_cast<std::size_t>(end - begin + 1)));
  drop_big_scratch(ctx.shared);
}

void handle_setrange(context& ctx) {
  auto offset = parse_integer(ctx.args[2]);
  auto patch = ctx.args[3];
  if (!offset)
    return ctx.reply.error(not_an_integer);
  if (*offset < 0)
    return ctx.reply.error("ERR offset is out of range");
  auto& value = ctx.shared.scratch;
  auto key = ctx.args[1];
  auto limit = ctx.shared.max_value_bytes();
  for (int i = 0; i < bounds::max_retries; ++i) {
    entry_info info;
    auto code = ctx.data.get(ctx.space, key, value, &info);
    if (code != errc::ok && code != errc::not_found)
      return reply_failure(ctx, code);
    auto found = code == errc::ok;
    if (!found)
      value.clear();
    if (patch.empty())
      return ctx.reply.integer(static_cast<std::int64_t>(value.size()));
    if (static_cast<std::uint64_t>(*offset) > limit
        || static_cast<std::size_t>(*offset) + patch.size() > limit)
      return ctx.reply.error(string_too_long);
    auto at = static_cast<std::size_t>(*offset);
    value.resize(std::max(value.size(), at + patch.size()), '\0');
    std::copy(patch.begin(), patch.end(),
              value.begin() + static_cast<std::ptrdiff_t>(at));
    code = found ? ctx.data.replace(ctx.space, key, info.version, value)
                 : ctx.data.set_if_absent(ctx.space, key, value);
    if (code == errc::mismatch || code == errc::not_found
        || code == errc::exists)
      continue;
    if (code != errc::ok)
      return reply_failure(ctx, code);
    ctx.reply.integer(static_cast<std::int64_t>(value.size()));
    return drop_big_scratch(ctx.shared);
  }
  reply_failure(ctx, errc::busy);
}

void handle_incr(context& ctx) {
  add_to(ctx, 1);
}

void handle_decr(context& ctx) {
  add_to(ctx, -1);
}

void handle_incrby(context& ctx) {
  auto delta = parse_integer(ctx.args[2]);
  if (!delta)
    return ctx.reply.error(not_an_integer);
  add_to(ctx, *delta);
}

void handle_decrby(context& ctx) {
  auto delta = parse_integer(ctx.args[2]);
  if (!delta)
    return ctx.reply.error(not_an_integer);
  if (*delta == min_int64)
    return ctx.reply.error("ERR decrement would overflow");
  add_to(ctx, -*delta);
}

} // namespace neuroplex::resp
