// What is learnt, as it travels: entries of the write log with the names of
// their types.
//
// Purpose: a burst of learning is one message. Types are numbers that mean
// something in one memory only, so a lesson brings a table of names, and its
// entries mean places in that table.
//
//   lesson_writer lesson;
//   auto chases = lesson.type("chases");
//   lesson.learn_concept(concept_id::of_name("dog"), {.content = "..."});
//   lesson.learn_association({dog, cat, *chases});
//   send(lesson.take());
//
// Threads: plain values; a writer is used by one thread.
//
// Invariants: what `read` answers can be given to a memory as it is.
//
// Failure behaviour: a writer answers `value_size`, `bad_argument` and
// `too_many` for what can never be learnt, and has not taken it. `read` refuses
// a lesson whole, with the place of the entry, and has changed nothing then.
#pragma once

#include "actors/concept_service/limits.hpp"
#include "storage/concept/association_types.hpp"
#include "storage/concept/write_entry.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::concept_service {

struct type_name {
  std::string name;
  std::string phrase; ///< how a sentence says it; may be empty
};

struct lesson {
  std::vector<type_name> types;
  std::string entries; ///< as storage/concept/entry_codec.hpp writes them
  std::uint32_t count = 0;
};

class lesson_writer {
public:
  /// The number, in this lesson, of a type of associations.
  expected<concepts::association_type> type(std::string_view name,
                                            std::string_view phrase = {});

  errc learn_concept(const concepts::concept_id& id,
                     const concepts::concept_facts& facts);
  errc learn_association(const concepts::association& what);
  errc strengthen(const concepts::concept_id& id, float amount);
  errc decay(const concepts::concept_id& id, float factor);
  errc forget(const concepts::concept_id& id);
  errc forget(const concepts::association& what);

  /// True when it is time to send what is there.
  [[nodiscard]] bool full() const noexcept {
    return made_.count >= limits::max_lesson_entries
           || made_.entries.size() >= limits::max_lesson_bytes;
  }
  [[nodiscard]] std::uint32_t count() const noexcept {
    return made_.count;
  }

  /// What was written so far. The next lesson has the same types.
  lesson take();

private:
  errc add(errc made, const concepts::write_entry& entry);

  lesson made_;
  std::map<std::string, concepts::association_type, std::less<>> numbers_;
};

/// The entries of a lesson, with types of `types`, which learns the names that
/// it does not have. `protocol`, `value_size`, `bad_argument`, `too_many`.
[[nodiscard]] expected<std::vector<concepts::write_entry>>
read(const lesson& what, concepts::association_types& types);

} // namespace neuroplex::concept_service
