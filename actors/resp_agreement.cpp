#include "actors/resp_agreement.hpp"

#include "actors/clock.hpp"
#include "actors/resp/command.hpp"
#include "actors/resp/service.hpp"
#include "actors/resp/text.hpp"
#include "actors/resp/writer.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <span>
#include <utility>
#include <variant>

namespace neuroplex::actors {

namespace {

using store_operation = store_machine::operation;
using store_kind = store_machine::operation_kind;
using store_result = store_machine::result;
using command_words = std::vector<std::string>;

// Each group is an owner of its own, beside the other nodes.
constexpr std::uint32_t first_group_owner = std::uint32_t{1} << 31;

resp::owner_id owner_of_group(agreement::group_id group) {
  return resp::owner_id{first_group_owner + static_cast<std::uint32_t>(group)};
}

bool is_group(resp::owner_id owner) {
  return static_cast<std::uint32_t>(owner) >= first_group_owner;
}

agreement::group_id group_of_owner(resp::owner_id owner) {
  return static_cast<std::uint32_t>(owner) - first_group_owner;
}

constexpr std::int64_t ms_a_second = 1'000;

// How results become a reply.
enum class shape : std::uint8_t {
  value,   // the value, or nothing
  values,  // of many keys
  ok,      // done, or nothing when a condition did not hold
  integer, // number
  one,     // 1 when it was done, 0 when not
  count,   // how many were done or found
  length,  // of the value
  ttl_ms,  // remaining, -1 without an expiry, -2 without an entry
  ttl_s,   // the same in seconds
  type,    // "string" or "none"
};

struct command_plan {
  std::vector<store_operation> operations{};
  shape how = shape::ok;
};

// What stands in the way of a command, as its reply says it.
struct refused_command {
  std::string text;
};

using planned = std::variant<command_plan, refused_command>;

refused_command syntax_error() {
  return {"ERR syntax error"};
}

planned single(store_kind kind, std::string_view key, shape how) {
  return command_plan{{{.kind = kind, .key = key}}, how};
}

// A lifetime in ms from an argument; `at` is a moment rather than a span.
std::variant<std::int64_t, refused_command> lifetime(std::string_view text,
                                                     bool seconds, bool at,
                                                     std::string_view command) {
  auto value = resp::parse_integer(text);
  if (!value)
    return refused_command{"ERR value is not an integer or out of range"};
  auto bad = refused_command{"ERR invalid expire time in '"
                             + std::string{command} + "' command"};
  if (*value <= 0 || *value > neuroplex::limits::max_ttl_ms)
    return bad;
  auto ms = seconds ? *value * ms_a_second : *value;
  if (at)
    ms -= unix_ms();
  if (ms > neuroplex::limits::max_ttl_ms)
    return bad;
  // A moment that has passed leaves the shortest of lives.
  return std::max<std::int64_t>(ms, 1);
}

planned plan_set(const command_words& args) {
  store_operation what{
    .kind = store_kind::set, .key = args[1], .value = args[2]};
  auto how = shape::ok;
  auto absent = false;
  auto present = false;
  for (std::size_t i = 3; i < args.size(); ++i) {
    const auto& word = args[i];
    if (resp::same_word(word, "nx")) {
      absent = true;
    } else if (resp::same_word(word, "xx")) {
      present = true;
    } else if (resp::same_word(word, "get")) {
      how = shape::value;
    } else if (resp::same_word(word, "keepttl") && what.ttl_ms == 0) {
      what.keep_ttl = true;
    } else if (i + 1 < args.size() && what.ttl_ms == 0 && !what.keep_ttl
               && (resp::same_word(word, "ex") || resp::same_word(word, "px")
                   || resp::same_word(word, "exat")
                   || resp::same_word(word, "pxat"))) {
      auto ms = lifetime(args[++i], resp::to_lower(word[0]) == 'e',
                         word.size() == 4, "set");
      if (auto* wrong = std::get_if<refused_command>(&ms))
        return *wrong;
      what.ttl_ms = std::get<std::int64_t>(ms);
    } else {
      return syntax_error();
    }
  }
  if (absent && present)
    return syntax_error();
  if (how == shape::value && (absent || present))
    return refused_command{"ERR SET with GET and NX or XX is not offered on a "
                           "database that is agreed on"};
  if (how == shape::value)
    what.kind = store_kind::exchange;
  else if (absent)
    what.kind = store_kind::set_if_absent;
  else if (present)
    what.kind = store_kind::set_if_present;
  return command_plan{{what}, how};
}

planned plan_increment(std::string_view key, std::string_view by,
                       bool negative) {
  auto delta = resp::parse_integer(by);
  if (!delta
      || (negative && *delta == std::numeric_limits<std::int64_t>::min()))
    return refused_command{"ERR value is not an integer or out of range"};
  return command_plan{{{.kind = store_kind::increment,
                        .key = key,
                        .delta = negative ? -*delta : *delta}},
                      shape::integer};
}

planned plan_many(store_kind kind, const command_words& args, shape how) {
  command_plan result{{}, how};
  for (std::size_t i = 1; i < args.size(); ++i)
    result.operations.push_back({.kind = kind, .key = args[i]});
  return result;
}

planned plan_timed_set(const command_words& args, bool seconds,
                       std::string_view command) {
  auto ms = lifetime(args[2], seconds, false, command);
  if (auto* wrong = std::get_if<refused_command>(&ms))
    return *wrong;
  return command_plan{{{.kind = store_kind::set,
                        .key = args[1],
                        .value = args[3],
                        .ttl_ms = std::get<std::int64_t>(ms)}},
                      shape::ok};
}

planned plan_expire(const command_words& args, bool seconds,
                    std::string_view command) {
  if (args.size() != 3)
    return refused_command{
      "ERR the conditions of '" + std::string{command}
      + "' are not offered on a database that is agreed on"};
  auto ms = lifetime(args[2], seconds, command.ends_with("at"), command);
  if (auto* wrong = std::get_if<refused_command>(&ms))
    return *wrong;
  return command_plan{{{.kind = store_kind::expire,
                        .key = args[1],
                        .ttl_ms = std::get<std::int64_t>(ms)}},
                      shape::one};
}

// The gateway has looked at name and number of arguments already.
planned plan_for(const command_words& args) {
  using kind = store_kind;
  const auto name = resp::lower_copy(args[0]);
  if (name == "get")
    return single(kind::get, args[1], shape::value);
  if (name == "set")
    return plan_set(args);
  if (name == "setnx")
    return command_plan{
      {{.kind = kind::set_if_absent, .key = args[1], .value = args[2]}},
      shape::one};
  if (name == "setex" || name == "psetex")
    return plan_timed_set(args, name == "setex", name);
  if (name == "getset")
    return command_plan{
      {{.kind = kind::exchange, .key = args[1], .value = args[2]}},
      shape::value};
  if (name == "getdel")
    return single(kind::take, args[1], shape::value);
  if (name == "append")
    return command_plan{
      {{.kind = kind::append, .key = args[1], .value = args[2]}},
      shape::integer};
  if (name == "incr" || name == "decr")
    return plan_increment(args[1], "1", name == "decr");
  if (name == "incrby" || name == "decrby")
    return plan_increment(args[1], args[2], name == "decrby");
  if (name == "del" || name == "unlink")
    return plan_many(kind::erase, args, shape::count);
  if (name == "exists" || name == "touch")
    return plan_many(kind::get, args, shape::count);
  if (name == "mget")
    return plan_many(kind::get, args, shape::values);
  if (name == "mset") {
    if (args.size() % 2 == 0)
      return refused_command{
        "ERR wrong number of arguments for 'mset' command"};
    command_plan result{{}, shape::ok};
    for (std::size_t i = 1; i < args.size(); i += 2)
      result.operations.push_back(
        {.kind = kind::set, .key = args[i], .value = args[i + 1]});
    return result;
  }
  if (name == "strlen")
    return single(kind::get, args[1], shape::length);
  if (name == "ttl")
    return single(kind::get, args[1], shape::ttl_s);
  if (name == "pttl")
    return single(kind::get, args[1], shape::ttl_ms);
  if (name == "type")
    return single(kind::get, args[1], shape::type);
  if (name == "persist")
    return single(kind::persist, args[1], shape::one);
  if (name == "expire" || name == "expireat")
    return plan_expire(args, true, name);
  if (name == "pexpire" || name == "pexpireat")
    return plan_expire(args, false, name);
  return refused_command{"ERR '" + name
                         + "' is not offered on a database that is agreed on"};
}

bool held(const store_result& one) {
  return one.status == errc::ok;
}

std::int64_t remaining_ms(const store_result& one) {
  if (!held(one))
    return -2;
  if (one.expires_at_ms == 0)
    return -1;
  return std::max<std::int64_t>(one.expires_at_ms - unix_ms(), 0);
}

// An answer of the data, which a shape has its own way to show.
bool is_answer(errc code) {
  return code == errc::ok || code == errc::not_found || code == errc::exists
         || code == errc::mismatch;
}

void write_reply(shape how, std::span<const store_result> results,
                 resp::writer& to) {
  for (const auto& one : results)
    if (!is_answer(one.status))
      return to.error(resp::failure_text(one.status));
  const auto& first = results.front();
  auto done = std::count_if(results.begin(), results.end(), held);
  switch (how) {
    case shape::value:
      return first.found ? to.bulk(first.value) : to.null();
    case shape::values:
      to.array(results.size());
      for (const auto& one : results)
        one.found ? to.bulk(one.value) : to.null();
      return;
    case shape::ok:
      return held(first) ? to.ok() : to.null();
    case shape::integer:
      return to.integer(first.number);
    case shape::one:
      return to.integer(held(first) ? 1 : 0);
    case shape::count:
      return to.integer(done);
    case shape::length:
      return to.integer(static_cast<std::int64_t>(first.value.size()));
    case shape::ttl_ms:
      return to.integer(remaining_ms(first));
    case shape::ttl_s: {
      auto ms = remaining_ms(first);
      return to.integer(ms < 0 ? ms : (ms + ms_a_second / 2) / ms_a_second);
    }
    case shape::type:
      return to.status(held(first) ? "string" : "none");
  }
}

// One command's share of a batch.
struct reply_part {
  shape how = shape::ok;
  std::size_t operations = 0;
};

// `transaction`: an array of the replies to its commands.
std::string reply_bytes(const std::vector<reply_part>& parts, bool transaction,
                        std::uint8_t protocol, const agreement::outcome& what) {
  resp::byte_buffer output;
  resp::writer to{output, protocol};
  auto results = what.code == errc::ok
                   ? store_machine::decode_answer(what.answer)
                   : expected<std::vector<store_result>>{what.code};
  std::size_t wanted = 0;
  for (const auto& part : parts)
    wanted += part.operations;
  if (!results || results->size() != wanted) {
    to.error(resp::failure_text(results ? errc::protocol : results.code()));
    return std::string{output.view()};
  }
  if (transaction)
    to.array(parts.size());
  auto rest = std::span<const store_result>{*results};
  for (const auto& part : parts) {
    write_reply(part.how, rest.first(part.operations), to);
    rest = rest.subspan(part.operations);
  }
  return std::string{output.view()};
}

resp::remote_reply error_reply(std::uint8_t protocol, std::string_view text) {
  resp::byte_buffer output;
  resp::writer{output, protocol}.error(text);
  return {errc::ok, std::string{output.view()}};
}

} // namespace

resp_agreement::resp_agreement(std::shared_ptr<agreement_access> access,
                               resp::remote* others, std::uint32_t request_ms)
  : access_{std::move(access)}, others_{others}, request_ms_{request_ms} {
}

void resp_agreement::attach(resp::server& gate) {
  box_->open(gate, [this](arrived_reply& one) { deliver(one); });
}

void resp_agreement::stop() noexcept {
  box_->close();
}

bool resp_agreement::agreed(std::uint32_t database) const {
  return access_->keeps(resp::database_name(database));
}

resp::owner_id resp_agreement::owner_of(std::uint32_t database,
                                        std::string_view key) const {
  if (agreed(database))
    return owner_of_group(access_->host->group_of(key));
  return others_ != nullptr ? others_->owner_of(database, key)
                            : resp::owner_id::here;
}

std::vector<resp::owner_id> resp_agreement::others() const {
  if (others_ != nullptr)
    return others_->others();
  return {};
}

std::size_t resp_agreement::other_copies(std::uint32_t database) const {
  return agreed(database) ? access_->host->other_copies() : 0;
}

void resp_agreement::deliver(arrived_reply& arrived) {
  if (auto found = writes_under_way_.find(arrived.writer);
      found != writes_under_way_.end() && --found->second == 0)
    writes_under_way_.erase(found);
  arrived.completion(std::move(arrived.reply));
}

void resp_agreement::submit(resp::owner_id owner, resp::remote_command command,
                            resp::remote_completion completion) {
  if (!is_group(owner))
    return others_->submit(owner, std::move(command), std::move(completion));
  auto transaction = !command.gathered.empty();
  if (!transaction)
    command.gathered.push_back(std::move(command.arguments));
  const auto space = resp::database_name(command.database);
  std::vector<store_operation> operations;
  std::vector<reply_part> parts;
  auto reads = true;
  for (const auto& words : command.gathered) {
    auto wanted = plan_for(words);
    if (auto* why = std::get_if<refused_command>(&wanted))
      return completion(error_reply(
        command.protocol, transaction
                            ? "EXECABORT Transaction discarded: " + why->text
                            : why->text));
    auto& plan = std::get<command_plan>(wanted);
    parts.push_back({plan.how, plan.operations.size()});
    for (auto& one : plan.operations) {
      one.space = space;
      reads = reads && !store_machine::changes(one.kind);
      operations.push_back(one);
    }
  }
  if (operations.size() > store_machine::limits::max_operations)
    return completion(
      error_reply(command.protocol, "ERR too many keys in one request"));
  auto batch = store_machine::encode_batch(operations);
  if (batch.size() > store_machine::limits::max_batch_bytes)
    return completion(
      error_reply(command.protocol, resp::failure_text(errc::value_size)));
  if (reads && writes_under_way_.contains(command.connection))
    reads = false;
  if (!reads)
    ++writes_under_way_[command.connection];
  auto writer = reads ? std::uint64_t{0} : command.connection;
  wishes_.push_back(
    {.group = group_of_owner(owner),
     .read = reads,
     .batch = std::move(batch),
     .deadline = std::chrono::steady_clock::now().time_since_epoch()
                 + milliseconds{request_ms_},
     .done = [box = box_, parts = std::move(parts), transaction,
              protocol = command.protocol, writer,
              completion =
                std::move(completion)](const agreement::outcome& what) mutable {
       resp::remote_reply reply{
         errc::ok, reply_bytes(parts, transaction, protocol, what)};
       box->post({std::move(completion), std::move(reply), writer});
     }});
}

void resp_agreement::flush() {
  if (others_ != nullptr)
    others_->flush();
  if (!wishes_.empty())
    access_->host->submit(std::exchange(wishes_, {}));
}

} // namespace neuroplex::actors
