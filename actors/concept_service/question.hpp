// A question that names concepts, and an answer that stands by itself.
//
// Purpose: the queries of storage/concept/query.hpp speak of slots of one
// snapshot. Whoever asks from elsewhere has names, and wants an answer that
// outlives the snapshot: concepts, associations among them by their place in
// the answer, and paths.
//
// Threads: plain values; `answer_to` is used by any thread that holds the
// snapshot.
//
// Invariants: places in an answer are within it. An answer has about
// limits::max_answer_bytes at most, and says with `hit` what cut it short.
//
// Failure behaviour: `not_found` with the name that nothing has, `wrong_type`
// with that of a concept without a vector, and `bad_argument` with what a
// question may ask.
#pragma once

#include "actors/concept_service/limits.hpp"
#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/query.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace neuroplex::concept_service {

enum class question_kind : std::uint8_t {
  query_concept, ///< what is this: `names`
  neighbors,     ///< what is the one of `names` associated with
  find_path,     ///< from the first of `names` to the second
  subgraph,      ///< all that is near `names`
  spread,        ///< what comes to mind with `names`
  search_text,   ///< what has content that begins with `text`
  search_vector, ///< what has vectors near to `vector`, or, if that is empty,
                 ///< to the one of the concept in `names`
  digest,        ///< is it the same as elsewhere
};

inline constexpr std::uint8_t question_kind_count = 8;

struct question {
  question_kind kind = question_kind::query_concept;
  std::vector<std::string> names{}; ///< or the 32 digits of ids
  std::string text{};
  std::vector<float> vector{};
  concepts::vector_metric metric = concepts::vector_metric::cosine;
  std::vector<std::string> types{}; ///< that are followed; all if empty
  concepts::direction way = concepts::direction::out;
  concepts::path_cost cost = concepts::path_cost::hops;
  float min_weight = 0;
  double decay = 0.85;      ///< of activation, 0 to below 1
  double threshold = 0.001; ///< of activation
  std::uint32_t limit = 20; ///< of results; paths if those are asked for
  std::uint32_t around = 0; ///< concepts near the first path to add
  std::uint32_t max_depth = 6;
  std::uint64_t max_visited = 1'000'000;
  std::uint32_t max_ms = 1'000;
};

struct answered_concept {
  concepts::concept_id id;
  std::string name;
  std::string content;
  bool content_left_out = false; ///< the answer is too long for it
  float strength = 1;
  float confidence = 1;
  double score = 0; ///< activation, or similarity
};

struct answered_link {
  std::uint32_t source = 0; ///< place in `concepts`
  std::uint32_t target = 0;
  std::string type;
  std::uint16_t qualifier = 0;
  float weight = 1;
  float confidence = 1;
};

struct answered_path {
  std::vector<std::uint32_t> concepts;
  std::vector<std::uint32_t> links; ///< between each and the next
  std::vector<std::string> sentences;
  double cost = 0;
};

struct answer {
  errc status = errc::ok;
  std::string problem; ///< why not
  std::vector<answered_concept> concepts;
  std::vector<answered_link> links;
  std::vector<answered_path> paths;
  std::string digest; ///< of all, as storage/concept/graph_digest.hpp has it
  concepts::bound_hit hit = concepts::bound_hit::none;
  std::uint64_t visited = 0;
  std::uint64_t took_ns = 0;
  std::uint64_t sequence = 0;    ///< of the snapshot that was asked
  std::int64_t timestamp_us = 0; ///< Unix time it was published at
};

/// Makes an answer from elsewhere fit to be used: `protocol`, and nothing else,
/// when it has a code that no errc has, or names a place outside itself.
void settle(answer& from_elsewhere);

/// What `asked` asks of a snapshot of a memory. The concept that was named is
/// the first of an answer to neighbors.
[[nodiscard]] answer answer_to(const question& asked,
                               const concepts::graph_version& in,
                               const concepts::concurrent_memory& of);

} // namespace neuroplex::concept_service
