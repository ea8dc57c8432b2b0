#include "consensus/store_machine/command.hpp"

#include "consensus/wire.hpp"

#include <algorithm>

namespace neuroplex::store_machine {

namespace {

constexpr std::uint8_t entry_version = 1;

// What an operation takes at least; guards what is allocated for a count.
constexpr std::size_t least_operation_bytes = 34;
constexpr std::size_t least_command_bytes = 29;
constexpr std::size_t least_result_bytes = 22;

failure malformed(const char* what) {
  return {errc::protocol, std::string{"replicated store: not "} + what};
}

void put_signed(wire_writer& out, std::int64_t value) {
  out.put(static_cast<std::uint64_t>(value));
}

std::int64_t take_signed(wire_reader& in) {
  return static_cast<std::int64_t>(in.take<std::uint64_t>());
}

std::string_view take_text(wire_reader& in) {
  return in.take_bytes(limits::max_batch_bytes);
}

// A count that the rest of the bytes can hold.
std::size_t take_count(wire_reader& in, std::size_t most, std::size_t least) {
  auto count = in.take<std::uint32_t>();
  if (count > most || count > in.left() / least) {
    in.fail();
    return 0;
  }
  return count;
}

} // namespace

std::string encode_batch(const std::vector<operation>& operations) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(static_cast<std::uint32_t>(operations.size()));
  for (const auto& one : operations) {
    out.put(static_cast<std::uint8_t>(one.kind));
    out.put_bool(one.keep_ttl);
    out.put_bytes(one.space);
    out.put_bytes(one.key);
    out.put_bytes(one.value);
    out.put_bytes(one.expected);
    put_signed(out, one.ttl_ms);
    put_signed(out, one.delta);
  }
  return bytes;
}

expected<std::vector<operation>> decode_batch(std::string_view bytes) {
  wire_reader in{bytes};
  std::vector<operation> operations(
    take_count(in, limits::max_operations, least_operation_bytes));
  for (auto& one : operations) {
    auto kind = in.take<std::uint8_t>();
    if (kind >= operation_kind_count)
      return malformed("an operation");
    one.kind = static_cast<operation_kind>(kind);
    one.keep_ttl = in.take_bool();
    one.space = take_text(in);
    one.key = take_text(in);
    one.value = take_text(in);
    one.expected = take_text(in);
    one.ttl_ms = take_signed(in);
    one.delta = take_signed(in);
  }
  if (!in.complete() || operations.empty())
    return malformed("a batch of operations");
  return operations;
}

std::string encode_entry(const log_entry& what) {
  std::string bytes;
  auto size = std::size_t{16};
  for (const auto& one : what.commands)
    size += limits::command_overhead_bytes + one.batch.size();
  bytes.reserve(size);
  wire_writer out{bytes};
  out.put(entry_version);
  put_signed(out, what.time_ms);
  out.put(static_cast<std::uint32_t>(what.commands.size()));
  for (const auto& one : what.commands) {
    out.put(static_cast<std::uint8_t>(one.kind));
    out.put(one.session);
    out.put(one.sequence);
    out.put(one.acknowledged);
    out.put_bytes(one.batch);
  }
  return bytes;
}

expected<log_entry> decode_entry(std::string_view bytes) {
  wire_reader in{bytes};
  if (auto version = in.take<std::uint8_t>(); version != entry_version)
    return failure{errc::version, "replicated store: an entry of version "
                                    + std::to_string(version) + "; this is "
                                    + std::to_string(entry_version)};
  log_entry what;
  what.time_ms = take_signed(in);
  what.commands.resize(
    take_count(in, limits::max_commands, least_command_bytes));
  for (auto& one : what.commands) {
    auto kind = in.take<std::uint8_t>();
    if (kind >= command_kind_count)
      return malformed("a command");
    one.kind = static_cast<command_kind>(kind);
    one.session = in.take<std::uint64_t>();
    one.sequence = in.take<std::uint64_t>();
    one.acknowledged = in.take<std::uint64_t>();
    one.batch = take_text(in);
    // Two sessions of one entry would have one number.
    if (one.kind == command_kind::open_session && what.commands.size() > 1)
      return malformed("an entry that opens one session");
  }
  if (!in.complete())
    return malformed("an entry");
  return what;
}

std::string encode_answer(const std::vector<result>& results) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(static_cast<std::uint32_t>(results.size()));
  for (const auto& one : results) {
    out.put(static_cast<std::uint8_t>(one.status));
    out.put_bool(one.found);
    put_signed(out, one.number);
    put_signed(out, one.expires_at_ms);
    out.put_bytes(one.value);
  }
  return bytes;
}

expected<std::vector<result>> decode_answer(std::string_view bytes) {
  wire_reader in{bytes};
  std::vector<result> results(
    take_count(in, limits::max_operations, least_result_bytes));
  for (auto& one : results) {
    auto status = in.take<std::uint8_t>();
    if (status >= errc_count)
      return malformed("a result");
    one.status = static_cast<errc>(status);
    one.found = in.take_bool();
    one.number = take_signed(in);
    one.expires_at_ms = take_signed(in);
    one.value = in.take_bytes(raft::limits::max_answer_bytes);
  }
  if (!in.complete())
    return malformed("an answer");
  return results;
}

} // namespace neuroplex::store_machine
