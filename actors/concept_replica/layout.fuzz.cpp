// libFuzzer target: arbitrary bytes as each of the values and names in which a
// graph lies. What is accepted is written as the same bytes.
#include "actors/concept_replica/layout.hpp"

using namespace neuroplex;
using namespace neuroplex::concept_replica;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  if (auto id = id_of(bytes))
    NEUROPLEX_ENSURE(key_of(*id) == bytes);
  if (auto name = decode_association_name(bytes))
    NEUROPLEX_ENSURE(association_name(*name) == bytes);
  if (auto share = decode_share(bytes)) {
    NEUROPLEX_ENSURE(share->added >= 0 && share->factor <= 1);
    NEUROPLEX_ENSURE(encode(*share) == bytes);
  }
  if (auto strength = decode_strength(bytes))
    NEUROPLEX_ENSURE(encode(*strength) == bytes);
  const auto id = concepts::concept_id::of_name("dog");
  if (auto learnt = decode_learnt(bytes, id)) {
    NEUROPLEX_ENSURE(learnt->facts.body_bytes() <= size);
    NEUROPLEX_ENSURE(encode_learnt(learnt->life, learnt->facts).size() == size);
  }
  return 0;
}
