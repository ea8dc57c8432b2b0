#include "actors/replica/question.hpp"

#include "actors/replica/limits.hpp"
#include "actors/resp/command.hpp"

#include <utility>

namespace neuroplex::replica {

namespace {

constexpr std::string_view question_text = "replica question";
constexpr std::string_view values_text = "replica plain values";
constexpr std::uint8_t least_protocol = 2;
constexpr std::uint8_t last_protocol = 3;

constexpr crdt::decode_limits question_limits{
  .max_bytes = limits::max_message_bytes,
  .max_replicas = 0,
  .max_element_bytes = limits::max_message_bytes};

bool is_read(const question& what) {
  if (what.words.empty())
    return false;
  if (what.protocol == 0)
    return true;
  const auto* known = resp::find_command(what.words[0]);
  if (known == nullptr || !resp::arity_fits(known->arity, what.words.size())
      || known->name.starts_with("session."))
    return false;
  auto nature = nature_of(what.words);
  return nature.refusal.empty() && !nature.changes;
}

} // namespace

std::string encode(const question& what) {
  crdt::replica_table table;
  crdt::encoder out{table};
  out.put_byte(what.protocol);
  out.put_byte(static_cast<std::uint8_t>(what.shown));
  out.put_varint(what.words.size());
  for (const auto& word : what.words)
    out.put_bytes(word);
  return out.finish(crdt::kind_of(question_text));
}

expected<question> decode_question(std::string_view bytes) {
  crdt::replica_table table;
  crdt::decoder in{bytes, crdt::kind_of(question_text), table, question_limits};
  question result;
  result.protocol = in.take_byte();
  if (result.protocol != 0
      && (result.protocol < least_protocol || result.protocol > last_protocol))
    in.fail("a question in an unknown protocol");
  auto shown = in.take_byte();
  if (shown > static_cast<std::uint8_t>(concurrent_values::all))
    in.fail("a question for values that cannot be shown");
  result.shown = static_cast<concurrent_values>(shown);
  auto count = in.take_count();
  if (count > limits::max_question_words)
    in.fail("a question of more than "
            + std::to_string(limits::max_question_words) + " words");
  for (std::size_t i = 0; i < count && !in.failed(); ++i)
    result.words.emplace_back(in.take_bytes());
  if (auto read = in.finish(); !read)
    return read.error();
  return result;
}

plain_value read_plain(const core& from, std::string_view key) {
  const auto* found = from.state().find(key);
  switch (type_of(found)) {
    case value_type::none:
      return {errc::not_found, {}};
    case value_type::counter:
      return {errc::ok, to_text(sum_of(*found->find(fact_kind::counter)))};
    case value_type::text:
      return {errc::ok, latest(*found->find(fact_kind::text)).value};
    case value_type::hash:
    case value_type::set:
      break;
  }
  return {errc::wrong_type, {}};
}

std::string encode(const std::vector<plain_value>& values) {
  crdt::replica_table table;
  crdt::encoder out{table};
  out.put_varint(values.size());
  for (const auto& one : values) {
    out.put_byte(static_cast<std::uint8_t>(one.code));
    out.put_bytes(one.value);
  }
  return out.finish(crdt::kind_of(values_text));
}

expected<std::vector<plain_value>> decode_plain_values(std::string_view bytes) {
  crdt::replica_table table;
  crdt::decoder in{bytes, crdt::kind_of(values_text), table, question_limits};
  std::vector<plain_value> result;
  auto count = in.take_count(2);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto code = static_cast<errc>(in.take_byte());
    if (code != errc::ok && code != errc::not_found && code != errc::wrong_type)
      in.fail("a plain value with an odd code");
    result.push_back({code, std::string{in.take_bytes()}});
  }
  if (auto read = in.finish(); !read)
    return read.error();
  return result;
}

std::optional<std::string> answer(core& from, const moment& now,
                                  std::string_view bytes) {
  auto asked = decode_question(bytes);
  if (!asked || !is_read(*asked))
    return std::nullopt;
  std::string result;
  if (asked->protocol == 0) {
    std::vector<plain_value> values;
    values.reserve(asked->words.size());
    std::size_t bytes = 0;
    for (const auto& key : asked->words) {
      values.push_back(read_plain(from, key));
      bytes += values.back().value.size();
      if (bytes > limits::part_bytes)
        return std::nullopt;
    }
    result = encode(values);
  } else {
    resp::byte_buffer reply;
    execute(from, now, asked->words, asked->shown, asked->protocol, reply);
    result = std::string{reply.view()};
  }
  if (result.size() > limits::part_bytes)
    return std::nullopt;
  return result;
}

} // namespace neuroplex::replica
