#include "tests/sim/raft/register_map.hpp"

#include "tests/sim/packing.hpp"

#include <xxhash.h>

namespace neuroplex::sim {

std::string pack_command(const command& asked, std::size_t ballast_bytes) {
  packer out;
  out.number(asked.client);
  out.number(asked.sequence);
  out.number(asked.what);
  out.number(asked.key);
  out.number(asked.value);
  out.number(asked.expect);
  return std::string{out.view()} + std::string(ballast_bytes, 'b');
}

command unpack_command(std::string_view bytes) {
  unpacker in{bytes};
  command asked;
  asked.client = in.number<std::uint32_t>();
  asked.sequence = in.number<std::uint64_t>();
  asked.what = in.number<verb>();
  asked.key = in.number<std::uint32_t>();
  asked.value = in.number<register_value>();
  asked.expect = in.number<register_value>();
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
  packer out;
  out.number(index_);
  out.number(term_);
  out.number(digest_);
  out.number(static_cast<std::uint32_t>(registers_.size()));
  for (const auto& [key, value] : registers_) {
    out.number(key);
    out.number(value);
  }
  out.number(static_cast<std::uint32_t>(with_sessions ? sessions_.size() : 0));
  if (with_sessions) {
    for (const auto& [client, known] : sessions_) {
      out.number(client);
      out.number(known.sequence);
      out.number(known.last.result);
      out.number(known.last.value);
    }
  }
  return std::string{out.view()};
}

bool register_map::load(std::string_view saved) {
  unpacker in{saved};
  *this = {};
  index_ = in.number<raft::log_index>();
  term_ = in.number<raft::term_number>();
  digest_ = in.number<std::uint64_t>();
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.good(); --left) {
    const auto key = in.number<std::uint32_t>();
    registers_[key] = in.number<register_value>();
  }
  for (auto left = in.number<std::uint32_t>(); left > 0 && in.good(); --left) {
    auto& known = sessions_[in.number<std::uint32_t>()];
    known.sequence = in.number<std::uint64_t>();
    known.last.result = in.number<outcome>();
    known.last.value = in.number<register_value>();
  }
  return in.good();
}

} // namespace neuroplex::sim
