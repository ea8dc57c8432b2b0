// libFuzzer target: arbitrary bytes as a lesson of two types. The first byte
// says how many entries it claims to have.
#include "actors/concept_service/lesson.hpp"

using namespace neuroplex;
using namespace neuroplex::concept_service;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0)
    return 0;
  lesson what;
  what.types = {{"a", "is a"}, {"b", ""}};
  what.count = data[0];
  what.entries.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  concepts::association_types types;
  auto entries = read(what, types);
  if (!entries) {
    NEUROPLEX_ENSURE(types.size() == 0);
    return 0;
  }
  NEUROPLEX_ENSURE(entries->size() == what.count);
  std::size_t bytes = 0;
  for (const auto& entry : *entries) {
    NEUROPLEX_ENSURE(entry.kind != concepts::entry_kind::learn_association
                     || entry.type < types.size());
    bytes += entry.body_bytes();
  }
  NEUROPLEX_ENSURE(bytes <= what.entries.size());
  return 0;
}
