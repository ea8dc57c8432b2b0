// A graph with its log, view and reconciler, driven by hand, and the same graph
// as plain maps to compare it with.
#pragma once

#include "storage/concept/reconciler.hpp"

#include <map>
#include <random>
#include <set>
#include <tuple>

#include <catch2/catch.hpp>

namespace neuroplex::concepts::testing {

inline concept_id id_of(std::uint64_t number) {
  return {number * 0x9E37'79B9'7F4A'7C15U, number};
}

/// What the graph should be.
struct graph_model {
  using link =
    std::tuple<concept_id, concept_id, association_type, std::uint16_t>;

  struct facts {
    std::string content;
    float strength = 0;

    friend bool operator==(const facts&, const facts&) = default;
  };

  std::map<concept_id, facts> concepts;
  std::map<link, float> links;

  /// What `graph::apply` should do; whether it should say ok.
  bool apply(const write_entry& entry) {
    auto known = concepts.find(entry.id);
    link named{entry.id, entry.target, entry.type, entry.qualifier};
    switch (entry.kind) {
      case entry_kind::learn_concept:
        concepts[entry.id] = {std::string{entry.body_view()}, entry.amount};
        return true;
      case entry_kind::learn_association:
        if (known == concepts.end() || !concepts.contains(entry.target))
          return false;
        links[named] = entry.amount;
        return true;
      case entry_kind::strengthen:
      case entry_kind::decay:
        if (known == concepts.end())
          return false;
        if (entry.kind == entry_kind::decay)
          known->second.strength *= entry.amount;
        else
          known->second.strength += entry.amount;
        return true;
      case entry_kind::forget_concept:
        std::erase_if(links, [&](const auto& each) {
          return std::get<0>(each.first) == entry.id
                 || std::get<1>(each.first) == entry.id;
        });
        return concepts.erase(entry.id) != 0;
      case entry_kind::forget_association:
        return links.erase(named) != 0;
    }
    return false;
  }
};

/// Everything a version holds, each list looked at from both ends.
inline graph_model read_all(const graph_version& version) {
  graph_model found;
  std::set<std::pair<graph_model::link, float>> seen_from_target;
  for (concept_slot slot = 0; slot < version.records.size(); ++slot) {
    const auto& record = version.records[slot];
    if (!record.in_use())
      continue;
    REQUIRE(version.find(record.id) == slot);
    found.concepts[record.id] = {std::string{record.content()},
                                 record.strength};
    std::uint32_t count = 0;
    std::uint64_t last = 0;
    edge_list::for_each(record.out, [&](const edge& by) {
      REQUIRE((count == 0 || last < by.key()));
      last = by.key();
      ++count;
      found.links[{record.id, version.records[by.other].id, by.type,
                   by.qualifier}] = by.weight;
      return true;
    });
    REQUIRE(count == record.out_count);
    count = 0;
    edge_list::for_each(record.in, [&](const edge& by) {
      ++count;
      seen_from_target.insert(
        {{version.records[by.other].id, record.id, by.type, by.qualifier},
         by.weight});
      return true;
    });
    REQUIRE(count == record.in_count);
  }
  REQUIRE(found.concepts.size() == version.concept_count);
  REQUIRE(found.links.size() == version.association_count);
  REQUIRE(seen_from_target.size() == found.links.size());
  for (const auto& each : found.links)
    REQUIRE(seen_from_target.contains(each));
  return found;
}

inline void require_same(const graph_version& version,
                         const graph_model& model) {
  auto found = read_all(version);
  REQUIRE(found.concepts == model.concepts);
  REQUIRE(found.links == model.links);
}

/// An entry of any kind about few concepts, so that they meet.
inline write_entry random_entry(std::mt19937_64& random,
                                std::uint64_t concepts) {
  write_entry entry;
  auto id = id_of(random() % concepts);
  association link{id, id_of(random() % concepts),
                   static_cast<association_type>(random() % 3),
                   static_cast<std::uint16_t>(random() % 2),
                   static_cast<float>(random() % 100) / 10};
  switch (random() % 16) {
    case 0:
      make_forget(id, entry);
      break;
    case 1:
    case 2:
      make_forget(link, entry);
      break;
    case 3:
      (void)make_strengthen(id, 0.5F, entry);
      break;
    case 4:
      (void)make_decay(id, 0.5F, entry);
      break;
    case 5:
    case 6:
    case 7:
    case 8: {
      auto length = random() % 40;
      std::string content(length, static_cast<char>('a' + random() % 26));
      (void)make_learn_concept(id, {.content = content}, entry);
      break;
    }
    default:
      (void)make_learn_association(link, entry);
  }
  return entry;
}

} // namespace neuroplex::concepts::testing
