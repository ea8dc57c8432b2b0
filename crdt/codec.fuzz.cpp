// libFuzzer target: arbitrary bytes against the decoders of all types, of
// digests and of operations. What is accepted must be written as the same
// bytes, and must merge into itself.
#include "crdt/bounded_counter.hpp"
#include "crdt/causal_types.hpp"
#include "crdt/lww.hpp"
#include "crdt/operation_types.hpp"
#include "crdt/or_set.hpp"
#include "crdt/sequence.hpp"
#include "crdt/two_phase_set.hpp"

#include <cstring>

using namespace neuroplex;
using namespace neuroplex::crdt;

namespace {

// The kind is a hash that no fuzzer guesses, so it is put in.
template <class Type>
void try_decoding(std::string bytes) {
  auto kind = Type::kind();
  if (bytes.size() < 5)
    return;
  for (std::size_t i = 0; i < 4; ++i)
    bytes[i + 1] = static_cast<char>(kind >> (8 * i));
  auto decoded = Type::decode(bytes);
  if (!decoded)
    return;
  NEUROPLEX_ENSURE(decoded->encode() == bytes);
  auto copy = *decoded;
  NEUROPLEX_ENSURE(copy.merge(*decoded));
  NEUROPLEX_ENSURE(copy == *decoded);
  NEUROPLEX_ENSURE(!copy.difference(decoded->digest()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string bytes{reinterpret_cast<const char*>(data), size};
  using set_store = add_wins_store<std::string>;
  try_decoding<or_set<std::string>>(bytes);
  try_decoding<remove_wins_set<std::string>>(bytes);
  try_decoding<or_map<std::string, map_store<std::string, set_store>>>(bytes);
  try_decoding<mv_register<std::uint64_t>>(bytes);
  try_decoding<lww_register<std::string>>(bytes);
  try_decoding<pn_counter>(bytes);
  try_decoding<bounded_counter>(bytes);
  try_decoding<two_phase_set<std::string>>(bytes);
  try_decoding<sequence<std::string>>(bytes);
  if (auto digest = state_digest::decode(bytes))
    NEUROPLEX_ENSURE(digest->encode() == bytes);
  if (auto message = op_set<std::string>::message_type::decode(bytes))
    NEUROPLEX_ENSURE(message->encode() == bytes);
  return 0;
}
