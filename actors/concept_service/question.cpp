#include "actors/concept_service/question.hpp"

#include "storage/concept/graph_digest.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>

namespace neuroplex::concept_service {

namespace {

using concepts::bound_hit;
using concepts::concept_slot;
using concepts::direction;
using concepts::edge;
using concepts::graph_version;

// Fewest and most names that each kind takes.
struct name_count {
  std::size_t least;
  std::size_t most;
};

constexpr std::array<name_count, question_kind_count> names_of_kind{
  {{1, limits::max_question_names},
   {1, 1},
   {2, 2},
   {1, limits::max_question_names},
   {1, limits::max_question_names},
   {0, 0},
   {0, 1},
   {0, 0}}};

std::optional<failure> check(const question& asked) {
  auto refuse = [](const char* what) {
    return failure{errc::bad_argument, what};
  };
  if (static_cast<std::uint8_t>(asked.kind) >= question_kind_count
      || asked.way > direction::any
      || asked.cost > concepts::path_cost::strength
      || asked.metric > concepts::vector_metric::l2)
    return refuse("a question of no kind that is known here");
  auto names = names_of_kind[static_cast<std::size_t>(asked.kind)];
  if (asked.names.size() < names.least || asked.names.size() > names.most)
    return refuse("a question with too few or too many names");
  if (asked.types.size() > concepts::limits::max_association_types)
    return refuse("a question with too many types of associations");
  auto most = asked.kind == question_kind::find_path
                ? concepts::limits::max_paths
                : concepts::limits::max_results;
  if (asked.limit < 1 || asked.limit > most
      || asked.around > concepts::limits::max_results)
    return refuse("a question for too many results");
  if (asked.max_depth < 1 || asked.max_depth > concepts::limits::max_depth
      || asked.max_visited < 1 || asked.max_ms < 1
      || asked.max_ms > limits::max_question_ms)
    return refuse("a question whose bounds are out of range: depth 1 to 64, "
                  "time 1 ms to 10 minutes");
  if (!std::isfinite(asked.min_weight) || !(asked.threshold > 0)
      || !(asked.decay >= 0 && asked.decay < 1))
    return refuse("a question with a weight, decay or threshold that is out of "
                  "range");
  if (asked.kind == question_kind::search_vector
      && asked.names.empty() == asked.vector.empty())
    return refuse("a search by vector: expected numbers, or one name");
  if (asked.vector.size() > concepts::limits::max_dimensions
      || !std::all_of(asked.vector.begin(), asked.vector.end(),
                      [](float x) { return std::isfinite(x); }))
    return refuse("a vector that no concept can have");
  return std::nullopt;
}

// Puts an answer together; concepts are in it once.
class answer_maker {
public:
  answer_maker(const question& asked, const graph_version& in,
               const concepts::concurrent_memory& of)
    : asked_{asked}, in_{in}, of_{of}, types_{of.types()} {
    result_.sequence = in.sequence;
    result_.timestamp_us = in.timestamp_us;
  }

  answer make() {
    if (auto wrong = check(asked_))
      return refuse(*wrong);
    for (const auto& name : asked_.names) {
      auto slot = find(name);
      if (!slot)
        return refuse({errc::not_found, name.substr(0, limits::max_name_bytes)
                                          + ": no such concept"});
      slots_.push_back(*slot);
    }
    for (const auto& name : asked_.types) {
      auto type = types_.find(name);
      if (!type)
        return refuse({errc::not_found, name.substr(0, limits::max_name_bytes)
                                          + ": no such type of association"});
      walk_.types.add(*type);
    }
    walk_.way = asked_.way;
    walk_.min_weight = asked_.min_weight;
    walk_.bounds = {asked_.max_depth,
                    static_cast<std::size_t>(asked_.max_visited),
                    std::chrono::milliseconds{asked_.max_ms}};
    auto begin = std::chrono::steady_clock::now();
    if (auto wrong = ask())
      return refuse(*wrong);
    result_.took_ns = static_cast<std::uint64_t>(
      std::chrono::nanoseconds{std::chrono::steady_clock::now() - begin}
        .count());
    return std::move(result_);
  }

private:
  answer refuse(const failure& why) {
    result_.status = why.code();
    result_.problem = why.message();
    return std::move(result_);
  }

  // By its name, else by the digits of its id.
  [[nodiscard]] std::optional<concept_slot>
  find(const std::string& name) const {
    auto slot = in_.find(concepts::concept_id::of_name(name));
    if (auto id = concepts::concept_id::parse(name); !slot && id)
      slot = in_.find(*id);
    return slot;
  }

  // Answers why not, if so.
  std::optional<failure> ask() {
    switch (asked_.kind) {
      case question_kind::query_concept:
        for (auto slot : slots_)
          add(slot);
        break;
      case question_kind::neighbors:
        ask_neighbors();
        break;
      case question_kind::find_path:
        ask_paths();
        break;
      case question_kind::subgraph:
        ask_subgraph(slots_, walk_, asked_.limit);
        break;
      case question_kind::spread:
        ask_spread();
        break;
      case question_kind::search_text:
        ask_text();
        break;
      case question_kind::search_vector:
        return ask_vector();
      case question_kind::digest:
        ask_digest();
        break;
    }
    return std::nullopt;
  }

  void ask_text() {
    auto found = search_prefix(in_, asked_.text, asked_.limit, walk_.bounds);
    result_.hit = found.hit;
    for (auto slot : found.found)
      if (has_room())
        add(slot);
  }

  void ask_digest() {
    auto whole = digest_of(in_, types_, walk_.bounds);
    result_.digest = std::move(whole.digits);
    result_.hit = whole.hit;
  }

  // Who is named is not its own neighbour.
  std::optional<failure> ask_vector() {
    std::span<const float> wanted{asked_.vector};
    if (!slots_.empty())
      wanted = in_.records[slots_[0]].vector();
    if (wanted.empty())
      return failure{errc::wrong_type,
                     asked_.names[0] + ": this concept has no vector"};
    if (wanted.size() != in_.dimensions)
      return failure{errc::bad_argument, "a vector of "
                                           + std::to_string(wanted.size())
                                           + " numbers: those here have "
                                           + std::to_string(in_.dimensions)};
    auto found = of_.nearest_vectors(
      in_, wanted, asked_.metric, asked_.limit + slots_.size(), walk_.bounds);
    result_.hit = found.hit;
    for (const auto& each : found.found)
      if ((slots_.empty() || each.slot != slots_[0])
          && result_.concepts.size() < asked_.limit && has_room())
        result_.concepts[add(each.slot)].score = each.score;
    return std::nullopt;
  }

  void ask_neighbors() {
    auto found = concepts::neighbors(in_, slots_[0], walk_, asked_.limit);
    result_.hit = found.hit;
    auto self = add(slots_[0]);
    for (const auto& each : found.found) {
      if (!has_room())
        return;
      auto other = add(each.by.other);
      if (each.is_out)
        add_link(self, other, each.by);
      else
        add_link(other, self, each.by);
    }
  }

  void ask_paths() {
    concepts::paths_result found;
    if (asked_.cost == concepts::path_cost::hops && asked_.limit == 1) {
      auto one = concepts::find_path(in_, slots_[0], slots_[1], walk_);
      if (!one.best.steps.empty())
        found.paths.push_back(std::move(one.best));
      found.hit = one.hit;
      found.visited = one.visited;
    } else {
      found = cheapest_paths(in_, slots_[0], slots_[1], asked_.cost,
                             asked_.limit, walk_);
    }
    result_.hit = found.hit;
    result_.visited = found.visited;
    for (const auto& path : found.paths)
      if (has_room())
        add_path(path);
    if (asked_.around == 0 || found.paths.empty())
      return;
    std::vector<concept_slot> on_path;
    for (const auto& step : found.paths.front().steps)
      on_path.push_back(step.slot);
    concepts::walk_options near;
    near.bounds.max_depth = 1;
    // What surrounds the path is an addition; only the path's bounds count.
    auto hit = result_.hit;
    ask_subgraph(on_path, near, asked_.around);
    result_.hit = hit;
  }

  void add_path(const concepts::path& path) {
    answered_path added;
    added.cost = path.cost;
    for (const auto& step : path.steps) {
      auto place = add(step.slot);
      if (!added.concepts.empty()) {
        auto before = added.concepts.back();
        added.links.push_back(step.is_out ? add_link(before, place, step.by)
                                          : add_link(place, before, step.by));
      }
      added.concepts.push_back(place);
    }
    added.sentences = explain(in_, path, types_);
    for (const auto& sentence : added.sentences)
      bytes_ += sentence.size();
    result_.paths.push_back(std::move(added));
  }

  void ask_subgraph(const std::vector<concept_slot>& seeds,
                    const concepts::walk_options& walk, std::size_t limit) {
    auto found = concepts::subgraph(in_, seeds, walk, limit);
    result_.hit = found.hit;
    for (auto slot : found.concepts)
      if (has_room())
        add(slot);
    for (const auto& link : found.links) {
      auto source = places_.find(link.source);
      auto target = places_.find(link.by.other);
      if (source != places_.end() && target != places_.end() && has_room())
        add_link(source->second, target->second, link.by);
    }
  }

  void ask_spread() {
    concepts::spread_options options;
    options.walk = walk_;
    options.decay = asked_.decay;
    options.threshold = asked_.threshold;
    options.limit = asked_.limit;
    auto found = concepts::spread(in_, slots_, options);
    result_.hit = found.hit;
    result_.visited = found.visited;
    for (const auto& each : found.found)
      if (has_room())
        result_.concepts[add(each.slot)].score = each.activation;
  }

  // False, and noted, when the answer is long enough.
  bool has_room() {
    if (bytes_ < limits::max_answer_bytes)
      return true;
    result_.hit = bound_hit::results;
    return false;
  }

  std::uint32_t add(concept_slot slot) {
    auto place = static_cast<std::uint32_t>(result_.concepts.size());
    auto [known, is_new] = places_.emplace(slot, place);
    if (!is_new)
      return known->second;
    const auto& record = in_.records[slot];
    answered_concept added;
    added.id = record.id;
    added.name = display_name(record).substr(0, limits::max_name_bytes);
    added.strength = record.strength;
    added.confidence = record.confidence;
    auto content = record.content();
    if (bytes_ + content.size() <= limits::max_answer_bytes / 2)
      added.content = content;
    else
      added.content_left_out = true;
    bytes_ += sizeof added + added.name.size() + added.content.size();
    result_.concepts.push_back(std::move(added));
    return place;
  }

  std::uint32_t add_link(std::uint32_t source, std::uint32_t target,
                         const edge& by) {
    auto place = static_cast<std::uint32_t>(result_.links.size());
    auto [known, is_new] = link_places_.emplace(
      std::tuple{source, target, by.type, by.qualifier}, place);
    if (!is_new)
      return known->second;
    result_.links.push_back({source, target, std::string{types_.name(by.type)},
                             by.qualifier, by.weight, by.confidence});
    bytes_ += sizeof(answered_link) + result_.links.back().type.size();
    return place;
  }

  const question& asked_;
  const graph_version& in_;
  const concepts::concurrent_memory& of_;
  const concepts::association_types& types_;
  std::vector<concept_slot> slots_; ///< of the names
  concepts::walk_options walk_;
  answer result_;
  std::size_t bytes_ = 0;
  std::map<concept_slot, std::uint32_t> places_;
  std::map<
    std::tuple<std::uint32_t, std::uint32_t, std::uint16_t, std::uint16_t>,
    std::uint32_t>
    link_places_;
};

} // namespace

void settle(answer& from_elsewhere) {
  auto& given = from_elsewhere;
  auto in_order =
    static_cast<std::uint8_t>(given.status) < errc_count
    && given.hit <= bound_hit::results
    && std::all_of(given.links.begin(), given.links.end(),
                   [&](const answered_link& link) {
                     return link.source < given.concepts.size()
                            && link.target < given.concepts.size();
                   });
  for (const auto& path : given.paths) {
    auto links = path.concepts.empty() ? 0 : path.concepts.size() - 1;
    in_order =
      in_order && path.links.size() == links
      && std::all_of(path.concepts.begin(), path.concepts.end(),
                     [&](auto place) { return place < given.concepts.size(); })
      && std::all_of(path.links.begin(), path.links.end(),
                     [&](auto place) { return place < given.links.size(); });
  }
  if (in_order)
    return;
  given = {};
  given.status = errc::protocol;
}

answer answer_to(const question& asked, const graph_version& in,
                 const concepts::concurrent_memory& of) {
  return answer_maker{asked, in, of}.make();
}

} // namespace neuroplex::concept_service
