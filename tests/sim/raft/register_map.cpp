#include "tests/sim/raft/register_map.hpp"

#include "consensus/wire.hpp"

#include <xxhash.h>

namespace neuroplex::sim {

std::string pack_command(const command& asked, std::size_t ballast_bytes) {
  std::string text;
  wire_writer out{text};
  out.put(asked.client);
  out.put(asked.sequence);
  out.put(static_cast<std::uint8_t>(asked.what));
  out.put(asked.key);
  out.put(asked.value);
  out.put(asked.expect);
  return text.append(ballast_bytes, 'b');
}

command unpack_command(std::string_view bytes) {
  wire_reader in{bytes};
  command asked;
  asked.client = in.take<std::uint32_t>();
  asked.sequence = in.take<std::uint64_t>();
  asked.what = static_cast<verb>(in.take<std::uint8_t>());
  asked.key = in.take<std::uint32_t>();
  asked.value = in.take<register_value>();
  asked.expect = in.take<register_value>();
  return asked;
}

std::uint64_t content_hash(const raft::entry& one) {
  return XXH3_64bits_withSeed(one.data.view().data(), one.data.size(),
                              mix(one.term) ^ static_cast<unsigned>(one.kind));
}

void register_map::apply(const raft::entry& one) {
  index_ = one.index;
  term_ = one.term;
  digest_ = mix(digest_ ^ content_hash(one)) + one.index;
  if (one.kind != raft::entry_kind::command) {
    return;
  }
  const auto asked = unpack_command(one.data.view());
  auto& known = sessions_[asked.client];
  if (asked.sequence > known.sequence) {
    known.sequence = asked.sequence;
    known.last = execute(asked);
  }
}

reply register_map::execute(const command& asked) {
  auto& value = registers_[asked.key];
  if (asked.what == verb::cas && value != asked.expect) {
    return {outcome::mismatch, value};
  }
  value = asked.value;
  return {outcome::ok, absent};
}

register_value register_map::get(std::uint32_t key) const {
  const auto found = registers_.find(key);
  return found == registers_.end() ? absent : found->second;
}

const reply* register_map::answer_to(std::uint32_t client,
                                     std::uint64_t sequence) const {
  const auto found = sessions_.find(client);
  return found != sessions_.end() && found->second.sequence == sequence
           ? &found->second.last
           : nullptr;
}

std::string register_map::save(bool with_sessions) const {
  std::string text;
  wire_writer out{text};
  out.put(index_);
  out.put(term_);
  out.put(digest_);
  out.put(static_cast<std::uint32_t>(registers_.size()));
  for (const auto& [key, value] : registers_) {
    out.put(key);
    out.put(value);
  }
  out.put(static_cast<std::uint32_t>(with_sessions ? sessions_.size() : 0));
  if (with_sessions) {
    for (const auto& [client, known] : sessions_) {
      out.put(client);
      out.put(known.sequence);
      out.put(static_cast<std::uint8_t>(known.last.result));
      out.put(known.last.value);
    }
  }
  return text;
}

bool register_map::load(std::string_view saved) {
  wire_reader in{saved};
  *this = {};
  index_ = in.take<raft::log_index>();
  term_ = in.take<raft::term_number>();
  digest_ = in.take<std::uint64_t>();
  for (auto left = in.take<std::uint32_t>(); left > 0 && !in.failed(); --left) {
    const auto key = in.take<std::uint32_t>();
    registers_[key] = in.take<register_value>();
  }
  for (auto left = in.take<std::uint32_t>(); left > 0 && !in.failed(); --left) {
    auto& known = sessions_[in.take<std::uint32_t>()];
    known.sequence = in.take<std::uint64_t>();
    known.last.result = static_cast<outcome>(in.take<std::uint8_t>());
    known.last.value = in.take<register_value>();
  }
  return !in.failed();
}

} // namespace neuroplex::sim
