#include "consensus/raft/codec.hpp"

#include "consensus/raft/config_change.hpp"
#include "consensus/raft/limits.hpp"
#include "consensus/raft/wire.hpp"

namespace neuroplex::raft {

namespace {

void put_members(wire_writer& out, const std::vector<member>& list) {
  out.put(static_cast<std::uint16_t>(list.size()));
  for (const auto& who : list) {
    out.put(who.id);
    out.put(who.incarnation);
  }
}

std::vector<member> take_members(wire_reader& in) {
  std::vector<member> list;
  auto count = in.take<std::uint16_t>();
  if (count > limits::max_members) {
    in.fail();
    return list;
  }
  list.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    auto id = in.take<std::uint64_t>();
    auto incarnation = in.take<std::uint64_t>();
    list.push_back({id, incarnation});
  }
  return list;
}

void put_configuration(wire_writer& out, const configuration& members) {
  out.put(wire_version);
  out.put_bool(members.auto_leave);
  put_members(out, members.voters);
  put_members(out, members.outgoing);
  put_members(out, members.learners);
  put_members(out, members.learners_next);
}

configuration take_configuration(wire_reader& in) {
  configuration members;
  if (in.take<std::uint8_t>() != wire_version)
    in.fail();
  members.auto_leave = in.take_bool();
  members.voters = take_members(in);
  members.outgoing = take_members(in);
  members.learners = take_members(in);
  members.learners_next = take_members(in);
  if (!well_formed(members))
    in.fail();
  return members;
}

} // namespace

slice encode_configuration(const configuration& members) {
  std::string bytes;
  wire_writer out{bytes};
  put_configuration(out, members);
  return slice::copy_of(bytes);
}

expected<configuration> decode_configuration(std::string_view bytes) {
  wire_reader in{bytes};
  auto members = take_configuration(in);
  if (!in.complete())
    return failure{errc::protocol, "raft: not a configuration"};
  return members;
}

} // namespace neuroplex::raft
