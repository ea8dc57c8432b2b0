#include "storage/concept/graph_digest.hpp"

#include "storage/concept/walk.hpp"

#include <xxhash.h>

namespace neuroplex::concepts {

namespace {

class summed_hashes {
public:
  template <class Number>
  void add(const Number& number) {
    text_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }

  void add(const concept_id& id) {
    add(id.high);
    add(id.low);
  }

  void add(std::string_view text) {
    add(text.size());
    text_.append(text);
  }

  /// What was added so far is one thing.
  void end() {
    auto hash = XXH3_128bits(text_.data(), text_.size());
    sum_.high += hash.high64;
    sum_.low += hash.low64;
    text_.clear();
  }

  [[nodiscard]] std::string digits() const {
    return sum_.to_string();
  }

private:
  std::string text_;
  concept_id sum_{}; // 128 bits; a carry between the halves adds nothing
};

} // namespace

digest_result digest_of(const graph_version& in, const association_types& types,
                        const query_bounds& bounds) {
  walk_budget budget{bounds};
  summed_hashes sum;
  for (concept_slot slot = 0; slot < in.records.size(); ++slot) {
    const auto& record = in.records[slot];
    if (!record.in_use())
      continue;
    if (!budget.spend())
      break;
    sum.add(record.id);
    sum.add(record.strength);
    sum.add(record.confidence);
    sum.add(record.content());
    sum.add(record.attributes());
    for (auto number : record.vector())
      sum.add(number);
    sum.end();
    edge_list::for_each(record.out, [&](const edge& each) {
      sum.add(record.id);
      sum.add(in.records[each.other].id);
      sum.add(types.name(each.type));
      sum.add(each.qualifier);
      sum.add(each.weight);
      sum.add(each.confidence);
      sum.end();
      return true;
    });
  }
  return {sum.digits(), budget.hit()};
}

} // namespace neuroplex::concepts
