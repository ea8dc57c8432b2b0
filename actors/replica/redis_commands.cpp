#include "actors/replica/redis_commands.hpp"

#include "actors/resp/command.hpp"
#include "actors/resp/text.hpp"
#include "actors/resp/writer.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <span>
#include <utility>

namespace neuroplex::replica {

namespace {

// One command under way.
struct call {
  core& replica;
  const moment& now;
  const command_words& words;
  concurrent_values shown;
  resp::writer reply;

  [[nodiscard]] const std::string& key() const {
    return words[1];
  }

  [[nodiscard]] const shard_state::entry* found() const {
    return replica.state().find(key());
  }

  void fail(errc code) {
    reply.error(resp::failure_text(code));
  }

  /// Writes by `change(context)`, which answers an expected number.
  template <class Change>
  void count(Change change) {
    auto how = replica.writer(now);
    if (!how)
      return reply.error("ERR " + how.error().message());
    auto done = change(*how);
    if (!done)
      return fail(done.code());
    reply.integer(static_cast<std::int64_t>(*done));
  }

  /// True when the key holds something else, which is said.
  bool is_other(value_type wanted) {
    auto type = type_of(found());
    if (type == value_type::none || type == wanted)
      return false;
    fail(errc::wrong_type);
    return true;
  }

  void bulks(const std::vector<std::string>& values) {
    reply.array(values.size());
    for (const auto& one : values)
      reply.bulk(one);
  }
};

using handler = void (*)(call&);

constexpr bool reads = false;
constexpr bool writes = true;

struct command {
  std::string_view name;
  bool changes;
  handler run;
};

std::span<const std::string> rest(const call& what, std::size_t from) {
  return std::span{what.words}.subspan(from);
}

// -- registers and counters ---------------------------------------------------

void show(call& what, const shard_state::entry* found) {
  auto type = type_of(found);
  if (type == value_type::none)
    return what.reply.null();
  if (type == value_type::counter)
    return what.reply.bulk(to_text(sum_of(*found->find(fact_kind::counter))));
  if (type != value_type::text)
    return what.fail(errc::wrong_type);
  const auto& versions = *found->find(fact_kind::text);
  if (what.shown == concurrent_values::last || versions.size() == 1)
    return what.reply.bulk(latest(versions).value);
  std::set<std::string> values;
  for (const auto& one : versions)
    values.insert(one.value);
  what.bulks({values.begin(), values.end()});
}

void do_get(call& what) {
  show(what, what.found());
}

void do_mget(call& what) {
  what.reply.array(what.words.size() - 1);
  for (const auto& key : rest(what, 1)) {
    const auto* found = what.replica.state().find(key);
    auto type = type_of(found);
    if (type == value_type::counter || type == value_type::text)
      show(what, found);
    else
      what.reply.null();
  }
}

void set_pairs(call& what) {
  auto how = what.replica.writer(what.now);
  if (!how)
    return what.reply.error("ERR " + how.error().message());
  // All are looked at before the first is written.
  for (std::size_t i = 1; i + 1 < what.words.size(); i += 2)
    if (auto fits = crdt::codec<fact>::check(
          {.key = what.words[i], .value = what.words[i + 1]});
        !fits)
      return what.fail(fits.code());
  for (std::size_t i = 1; i + 1 < what.words.size(); i += 2)
    if (auto code = set_text(*how, what.words[i], what.words[i + 1]);
        code != errc::ok)
      return what.fail(code);
  what.reply.ok();
}

void do_set(call& what) {
  set_pairs(what);
}

void do_mset(call& what) {
  if (what.words.size() % 2 == 0)
    return what.reply.error("ERR wrong number of arguments for 'mset' command");
  set_pairs(what);
}

void add_amount(call& what, std::string_view text, bool negative) {
  auto amount = resp::parse_integer(text);
  if (!amount
      || (negative && *amount == std::numeric_limits<std::int64_t>::min()))
    return what.reply.error(resp::not_an_integer);
  what.count([&](const write_context& how) {
    return add(how, what.key(), negative ? -*amount : *amount);
  });
}

void do_incrby(call& what) {
  add_amount(what, what.words[2], false);
}

void do_decrby(call& what) {
  add_amount(what, what.words[2], true);
}

void do_strlen(call& what) {
  const auto* found = what.found();
  auto type = type_of(found);
  if (type == value_type::text)
    return what.reply.integer(static_cast<std::int64_t>(
      latest(*found->find(fact_kind::text)).value.size()));
  if (type == value_type::counter)
    return what.reply.integer(static_cast<std::int64_t>(
      to_text(sum_of(*found->find(fact_kind::counter))).size()));
  if (type == value_type::none)
    return what.reply.integer(0);
  what.fail(errc::wrong_type);
}

// -- keys ---------------------------------------------------------------------

void do_del(call& what) {
  what.count([&](const write_context& how) {
    std::size_t erased = 0;
    for (const auto& key : rest(what, 1))
      erased += erase(how, key) ? 1 : 0;
    return expected<std::size_t>{erased};
  });
}

void do_exists(call& what) {
  std::int64_t found = 0;
  for (const auto& key : rest(what, 1))
    found += what.replica.state().find(key) != nullptr ? 1 : 0;
  what.reply.integer(found);
}

void do_type(call& what) {
  what.reply.status(type_name(type_of(what.found())));
}

void do_ttl(call& what) {
  what.reply.integer(what.found() == nullptr ? -2 : -1);
}

void do_dbsize(call& what) {
  what.reply.integer(
    static_cast<std::int64_t>(what.replica.state().keys().size()));
}

void do_keys(call& what) {
  std::vector<std::string> matching;
  for (const auto& [key, entry] : what.replica.state().keys())
    if (resp::glob_match(what.words[1], key))
      matching.push_back(key);
  what.bulks(matching);
}

void do_flushdb(call& what) {
  auto how = what.replica.writer(what.now);
  if (!how)
    return what.reply.error("ERR " + how.error().message());
  how->state.drop_all(how->changes);
  what.reply.ok();
}

// -- sets ---------------------------------------------------------------------

void do_sadd(call& what) {
  what.count([&](const write_context& how) {
    return add_members(how, what.key(), rest(what, 2));
  });
}

void do_srem(call& what) {
  what.count([&](const write_context& how) {
    return remove_members(how, what.key(), rest(what, 2));
  });
}

void reply_set(call& what, const std::vector<std::string>& members) {
  what.reply.set(members.size());
  for (const auto& one : members)
    what.reply.bulk(one);
}

void do_smembers(call& what) {
  if (what.is_other(value_type::set))
    return;
  const auto* found = what.found();
  reply_set(what, found == nullptr ? std::vector<std::string>{}
                                   : member_names(*found));
}

bool is_member(const shard_state::entry* found, const std::string& name) {
  return found != nullptr && found->find(fact_kind::member, name) != nullptr;
}

void do_sismember(call& what) {
  if (!what.is_other(value_type::set))
    what.reply.integer(is_member(what.found(), what.words[2]) ? 1 : 0);
}

void do_smismember(call& what) {
  if (what.is_other(value_type::set))
    return;
  what.reply.array(what.words.size() - 2);
  for (const auto& name : rest(what, 2))
    what.reply.integer(is_member(what.found(), name) ? 1 : 0);
}

void do_scard(call& what) {
  if (what.is_other(value_type::set))
    return;
  const auto* found = what.found();
  what.reply.integer(found == nullptr ? 0
                                      : static_cast<std::int64_t>(
                                        found->count(fact_kind::member)));
}

using member_list = std::vector<std::string>;

// Joins the sets of all keys from left to right; both are sorted.
void combine_sets(call& what,
                  member_list (*join)(const member_list&, const member_list&)) {
  member_list result;
  for (std::size_t i = 1; i < what.words.size(); ++i) {
    const auto* found = what.replica.state().find(what.words[i]);
    auto type = type_of(found);
    if (type != value_type::none && type != value_type::set)
      return what.fail(errc::wrong_type);
    auto members = found == nullptr ? member_list{} : member_names(*found);
    result = i == 1 ? std::move(members) : join(result, members);
  }
  reply_set(what, result);
}

void do_sinter(call& what) {
  combine_sets(what, [](const member_list& a, const member_list& b) {
    member_list both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                          std::back_inserter(both));
    return both;
  });
}

void do_sunion(call& what) {
  combine_sets(what, [](const member_list& a, const member_list& b) {
    member_list either;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(),
                   std::back_inserter(either));
    return either;
  });
}

void do_sdiff(call& what) {
  combine_sets(what, [](const member_list& a, const member_list& b) {
    member_list left;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                        std::back_inserter(left));
    return left;
  });
}

// -- hashes -------------------------------------------------------------------

void do_hset(call& what) {
  if (what.words.size() % 2 != 0)
    return what.reply.error("ERR wrong number of arguments for 'hset' command");
  std::vector<std::pair<std::string, std::string>> fields;
  for (std::size_t i = 2; i < what.words.size(); i += 2)
    fields.emplace_back(what.words[i], what.words[i + 1]);
  what.count([&](const write_context& how) {
    return set_fields(how, what.key(), fields);
  });
}

void reply_field(call& what, const std::string& name) {
  const auto* found = what.found();
  auto value = found == nullptr ? std::nullopt : field_value(*found, name);
  value ? what.reply.bulk(*value) : what.reply.null();
}

void do_hget(call& what) {
  if (!what.is_other(value_type::hash))
    reply_field(what, what.words[2]);
}

void do_hmget(call& what) {
  if (what.is_other(value_type::hash))
    return;
  what.reply.array(what.words.size() - 2);
  for (const auto& name : rest(what, 2))
    reply_field(what, name);
}

void do_hdel(call& what) {
  what.count([&](const write_context& how) {
    return remove_fields(how, what.key(), rest(what, 2));
  });
}

std::vector<std::string> names_of(const call& what) {
  const auto* found = what.found();
  return found == nullptr ? std::vector<std::string>{} : field_names(*found);
}

void do_hgetall(call& what) {
  if (what.is_other(value_type::hash))
    return;
  auto names = names_of(what);
  what.reply.map(names.size());
  for (const auto& name : names) {
    what.reply.bulk(name);
    reply_field(what, name);
  }
}

void do_hkeys(call& what) {
  if (!what.is_other(value_type::hash))
    what.bulks(names_of(what));
}

void do_hvals(call& what) {
  if (what.is_other(value_type::hash))
    return;
  auto names = names_of(what);
  what.reply.array(names.size());
  for (const auto& name : names)
    reply_field(what, name);
}

void do_hlen(call& what) {
  if (!what.is_other(value_type::hash))
    what.reply.integer(static_cast<std::int64_t>(names_of(what).size()));
}

void do_hexists(call& what) {
  if (what.is_other(value_type::hash))
    return;
  const auto* found = what.found();
  what.reply.integer(
    found != nullptr && field_value(*found, what.words[2]) ? 1 : 0);
}

void do_hincrby(call& what) {
  auto amount = resp::parse_integer(what.words[3]);
  if (!amount)
    return what.reply.error(resp::not_an_integer);
  what.count([&](const write_context& how) {
    return add_to_field(how, what.key(), what.words[2], *amount);
  });
}

// -- sessions -----------------------------------------------------------------

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (auto c : bytes) {
    result.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    result.push_back(digits[static_cast<unsigned char>(c) & 15]);
  }
  return result;
}

std::optional<std::string> from_hex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (text.size() % 2 != 0)
    return std::nullopt;
  std::string result;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    auto high = digits.find(text[i]);
    auto low = digits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos)
      return std::nullopt;
    result.push_back(static_cast<char>(high * 16 + low));
  }
  return result;
}

// All that is here, since what the connection has seen is a part of it.
void do_session_token(call& what) {
  crdt::state_digest seen;
  seen.context = what.replica.state().context();
  what.reply.bulk(hex(seen.encode()));
}

// It has waited for what the token says.
void do_session_after(call& what) {
  what.reply.ok();
}

// Sorted by name.
constexpr std::array commands{
  command{"dbsize", reads, do_dbsize},
  command{"decrby", writes, do_decrby},
  command{"del", writes, do_del},
  command{"exists", reads, do_exists},
  command{"flushdb", writes, do_flushdb},
  command{"get", reads, do_get},
  command{"hdel", writes, do_hdel},
  command{"hexists", reads, do_hexists},
  command{"hget", reads, do_hget},
  command{"hgetall", reads, do_hgetall},
  command{"hincrby", writes, do_hincrby},
  command{"hkeys", reads, do_hkeys},
  command{"hlen", reads, do_hlen},
  command{"hmget", reads, do_hmget},
  command{"hset", writes, do_hset},
  command{"hvals", reads, do_hvals},
  command{"incrby", writes, do_incrby},
  command{"keys", reads, do_keys},
  command{"mget", reads, do_mget},
  command{"mset", writes, do_mset},
  command{"pttl", reads, do_ttl},
  command{"sadd", writes, do_sadd},
  command{"scard", reads, do_scard},
  command{"sdiff", reads, do_sdiff},
  command{"session.after", reads, do_session_after},
  command{"session.token", reads, do_session_token},
  command{"set", writes, do_set},
  command{"sinter", reads, do_sinter},
  command{"sismember", reads, do_sismember},
  command{"smembers", reads, do_smembers},
  command{"smismember", reads, do_smismember},
  command{"srem", writes, do_srem},
  command{"strlen", reads, do_strlen},
  command{"sunion", reads, do_sunion},
  command{"touch", reads, do_exists},
  command{"ttl", reads, do_ttl},
  command{"type", reads, do_type},
  command{"unlink", writes, do_del},
};

const command* find(const std::string& name) {
  auto at = std::lower_bound(commands.begin(), commands.end(), name,
                             [](const command& one, const std::string& wanted) {
                               return one.name < wanted;
                             });
  return at != commands.end() && at->name == name ? &*at : nullptr;
}

// What is said of commands whose replies promise something about all nodes.
struct promise_row {
  std::string_view name;
  std::string_view why;
};

constexpr std::array promising{
  promise_row{"append", "depends on the value that is there"},
  promise_row{"decr", "promises a number that nobody else gets: DECRBY key 1 "
                      "answers what this node knows"},
  promise_row{"getdel", "promises that nobody else gets the value"},
  promise_row{"getex", "depends on the value that is there"},
  promise_row{"getset", "promises that nobody else gets the old value"},
  promise_row{"incr", "promises a number that nobody else gets: INCRBY key 1 "
                      "answers what this node knows"},
  promise_row{"setnx", "promises that nobody else has set it"},
  promise_row{"setrange", "depends on the value that is there"},
};

std::string cannot_promise(std::string_view name, std::string_view why) {
  return "ERR '" + std::string{name} + "' " + std::string{why}
         + "; replicas cannot: use a namespace with "
           "consistency=linearizable";
}

std::string refusal_of(const command_words& words, const std::string& name,
                       const command* known) {
  for (const auto& row : promising)
    if (row.name == name)
      return cannot_promise(name, row.why);
  if (known == nullptr)
    return "ERR '" + name
           + "' is not offered on a namespace of replicas: use one with "
             "consistency=single_copy";
  if (name != "set")
    return {};
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (resp::same_word(words[i], "nx") || resp::same_word(words[i], "xx")
        || resp::same_word(words[i], "get"))
      return cannot_promise("set " + resp::lower_copy(words[i]),
                            "promises that nobody else has set it");
    return "ERR a value in a namespace of replicas has no lifetime: use one "
           "with consistency=single_copy";
  }
  return {};
}

// Of a fact beside what the client has sent, and its key.
constexpr std::size_t fact_overhead = 24;

} // namespace

command_nature nature_of(const command_words& words) {
  command_nature result;
  auto name = resp::lower_copy(words[0]);
  const auto* known = find(name);
  result.refusal = refusal_of(words, name, known);
  if (!result.refusal.empty())
    return result;
  result.changes = known->changes;
  auto key_bytes = words.size() > 1 ? words[1].size() : 0;
  for (const auto& word : words)
    result.bytes += word.size() + key_bytes + fact_overhead;
  if (result.changes && result.bytes > limits::part_bytes)
    result.refusal = "ERR more than " + std::to_string(limits::part_bytes)
                     + " bytes in one command: a namespace of replicas takes "
                       "less: cut it into several";
  if (name == "session.after") {
    auto bytes = from_hex(words[1]);
    auto seen = bytes ? crdt::state_digest::decode(*bytes)
                      : expected<crdt::state_digest>{errc::protocol};
    if (seen)
      result.after = std::move(seen->context);
    else
      result.refusal = "ERR that is no token of SESSION.TOKEN";
  }
  return result;
}

void execute(core& replica, const moment& now, const command_words& words,
             concurrent_values shown, std::uint8_t protocol,
             resp::byte_buffer& output) {
  const auto* known = find(resp::lower_copy(words[0]));
  NEUROPLEX_ENSURE(known != nullptr);
  call what{replica, now, words, shown, resp::writer{output, protocol}};
  known->run(what);
}

} // namespace neuroplex::replica
