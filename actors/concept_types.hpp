// How messages of concept memory travel.
//
// Threads: declarations only. Rules as in message_types.hpp.
#pragma once

#include "actors/caf_compat.hpp"
#include "actors/concept_messages.hpp"

namespace neuroplex::concepts {

template <class Inspector>
auto inspect(Inspector& f, concept_id& x) {
  using actors::field;
  return actors::inspect_as(f, x, "concept_id", field("high", x.high),
                            field("low", x.low));
}

} // namespace neuroplex::concepts

namespace neuroplex::concept_service {

using actors::field;
using actors::inspect_as;

template <class Inspector>
auto inspect(Inspector& f, type_name& x) {
  return inspect_as(f, x, "type_name", field("name", x.name),
                    field("phrase", x.phrase));
}

template <class Inspector>
auto inspect(Inspector& f, lesson& x) {
  return inspect_as(f, x, "lesson", field("types", x.types),
                    field("entries", x.entries), field("count", x.count));
}

template <class Inspector>
auto inspect(Inspector& f, question& x) {
  return inspect_as(
    f, x, "question", field("kind", x.kind), field("names", x.names),
    field("text", x.text), field("vector", x.vector), field("metric", x.metric),
    field("types", x.types), field("way", x.way), field("cost", x.cost),
    field("min_weight", x.min_weight), field("decay", x.decay),
    field("threshold", x.threshold), field("limit", x.limit),
    field("around", x.around), field("max_depth", x.max_depth),
    field("max_visited", x.max_visited), field("max_ms", x.max_ms));
}

template <class Inspector>
auto inspect(Inspector& f, answered_concept& x) {
  return inspect_as(f, x, "answered_concept", field("id", x.id),
                    field("name", x.name), field("content", x.content),
                    field("content_left_out", x.content_left_out),
                    field("strength", x.strength),
                    field("confidence", x.confidence), field("score", x.score));
}

template <class Inspector>
auto inspect(Inspector& f, answered_link& x) {
  return inspect_as(f, x, "answered_link", field("source", x.source),
                    field("target", x.target), field("type", x.type),
                    field("qualifier", x.qualifier), field("weight", x.weight),
                    field("confidence", x.confidence));
}

template <class Inspector>
auto inspect(Inspector& f, answered_path& x) {
  return inspect_as(f, x, "answered_path", field("concepts", x.concepts),
                    field("links", x.links), field("sentences", x.sentences),
                    field("cost", x.cost));
}

template <class Inspector>
auto inspect(Inspector& f, answer& x) {
  return inspect_as(
    f, x, "answer", field("status", x.status), field("problem", x.problem),
    field("concepts", x.concepts), field("links", x.links),
    field("paths", x.paths), field("digest", x.digest), field("hit", x.hit),
    field("visited", x.visited), field("took_ns", x.took_ns),
    field("sequence", x.sequence), field("timestamp_us", x.timestamp_us));
}

} // namespace neuroplex::concept_service

namespace neuroplex::actors {

template <class Inspector>
auto inspect(Inspector& f, lesson_request& x) {
  return inspect_as(f, x, "lesson_request", field("header", x.header),
                    field("until", x.until), field("what", x.what));
}

template <class Inspector>
auto inspect(Inspector& f, lesson_receipt& x) {
  return inspect_as(f, x, "lesson_receipt", field("status", x.status),
                    field("problem", x.problem), field("accepted", x.accepted),
                    field("sequence", x.sequence), field("visible", x.visible),
                    field("durable", x.durable));
}

template <class Inspector>
auto inspect(Inspector& f, question_request& x) {
  return inspect_as(f, x, "question_request", field("header", x.header),
                    field("what", x.what));
}

template <class Inspector>
auto inspect(Inspector& f, concept_holder& x) {
  return inspect_as(f, x, "concept_holder", field("who", x.who),
                    field("sequence", x.sequence));
}

template <class Inspector>
auto inspect(Inspector& f, concept_notice& x) {
  return inspect_as(f, x, "concept_notice", field("state", x.state),
                    field("reason", x.reason), field("advice", x.advice));
}

template <class Inspector>
auto inspect(Inspector& f, concept_peer& x) {
  return inspect_as(f, x, "concept_peer", field("replica_id", x.replica_id),
                    field("connected", x.connected),
                    field("changes_behind", x.changes_behind));
}

template <class Inspector>
auto inspect(Inspector& f, concept_report& x) {
  return inspect_as(
    f, x, "concept_report", field("enabled", x.enabled),
    field("directory", x.directory), field("concepts", x.concepts),
    field("edges", x.edges), field("written", x.written),
    field("dropped", x.dropped), field("rejected", x.rejected),
    field("spilled", x.spilled), field("pending", x.pending),
    field("refused", x.refused), field("reconciliations", x.reconciliations),
    field("entries_processed", x.entries_processed),
    field("disk_flushes", x.disk_flushes), field("sequence", x.sequence),
    field("timestamp_us", x.timestamp_us),
    field("memory_bytes", x.memory_bytes),
    field("version_bytes", x.version_bytes), field("versions", x.versions),
    field("segments", x.segments), field("replayed", x.replayed),
    field("cut_bytes", x.cut_bytes), field("lessons", x.lessons),
    field("questions", x.questions), field("waiting", x.waiting),
    field("replicated", x.replicated), field("unshown", x.unshown),
    field("peers", x.peers), field("holders", x.holders),
    field("notices", x.notices));
}

} // namespace neuroplex::actors
