// libFuzzer target: arbitrary bytes against the decoders of what travels
// between replicas, and against a replica that receives them. What is accepted
// must be written as the same bytes; what is refused has changed nothing.
#include "actors/replica/core.hpp"
#include "actors/replica/question.hpp"

#include <memory>

using namespace neuroplex;
using namespace neuroplex::replica;

namespace {

constexpr moment noon{milliseconds{1'000}, milliseconds{1'700'000'000'000}};
constexpr std::uint32_t peer_node = 2;

// The kind is a hash that no fuzzer guesses, so it is put in.
std::string of_kind(std::string bytes, std::uint32_t kind) {
  if (bytes.size() >= 5)
    for (std::size_t i = 0; i < 4; ++i)
      bytes[i + 1] = static_cast<char>(kind >> (8 * i));
  return bytes;
}

std::unique_ptr<core> make_replica() {
  auto result = std::make_unique<core>(
    core_options{.self = 1, .peers = {peer_node}}, recovered_state{}, 1U);
  result->peer_met(peer_node, noon);
  auto written = [&] {
    auto records = result->take_records();
    if (!records.empty())
      result->written(records.back().sequence, noon);
  };
  written();
  auto how = result->writer(noon);
  NEUROPLEX_ENSURE(how);
  NEUROPLEX_ENSURE(set_text(*how, "key", "value") == errc::ok);
  result->take_turn();
  written();
  static_cast<void>(result->take_messages());
  return result;
}

void try_receiving(const std::string& plain) {
  auto replica = make_replica();
  const auto before = replica->state().digest();
  auto taken = replica->receive(peer_node, 'P' + plain, noon);
  NEUROPLEX_ENSURE(taken || replica->state().digest() == before);
  static_cast<void>(replica->take_messages());
  static_cast<void>(replica->snapshot());
}

void try_frame(const std::string& bytes) {
  auto told = decode(bytes);
  if (!told)
    return try_receiving(bytes);
  NEUROPLEX_ENSURE(encode(*told) == bytes);
  // As from a replica that exists, so that more than its name is looked at.
  told->from = {peer_node, 1};
  try_receiving(encode(*told));
}

void try_facts(const std::string& bytes) {
  auto delta = fact_delta::decode(bytes);
  if (!delta)
    return;
  NEUROPLEX_ENSURE(delta->encode() == bytes);
  shard_state state;
  NEUROPLEX_ENSURE(state.merge(*delta));
  NEUROPLEX_ENSURE(state.whole().encode() == bytes);
}

void try_question(const std::string& bytes) {
  auto asked = decode_question(bytes);
  if (!asked)
    return;
  NEUROPLEX_ENSURE(encode(*asked) == bytes);
  auto replica = make_replica();
  const auto before = replica->state().digest();
  static_cast<void>(answer(*replica, noon, bytes));
  NEUROPLEX_ENSURE(replica->state().digest() == before);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string bytes{reinterpret_cast<const char*>(data), size};
  static_cast<void>(frame_packer::unpack(bytes));
  try_frame(of_kind(bytes, crdt::kind_of("replica frame")));
  try_facts(of_kind(bytes, fact_delta::kind()));
  try_question(of_kind(bytes, crdt::kind_of("replica question")));
  return 0;
}
