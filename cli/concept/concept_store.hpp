// Where concepts are: a folder of this machine, or a node.
//
// Purpose: what is learnt and asked by `neuroplex concept` is written once. A
// folder is opened by this process; a node is told by messages.
//
// Ownership and threads: one thread.
//
// Failure behaviour: what a memory refuses, with a line that says what to do;
// `unknown_outcome` when a node did not answer in time.
#pragma once

#include "actors/concept_service/question.hpp"
#include "actors/messages.hpp"
#include "storage/concept/types.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace neuroplex::cli {

/// Whoever takes what is learnt.
class concept_learner {
public:
  concept_learner() = default;
  concept_learner(const concept_learner&) = delete;
  concept_learner& operator=(const concept_learner&) = delete;
  virtual ~concept_learner() = default;

  /// The number, for this learner, of a type of associations.
  virtual expected<concepts::association_type>
  type(std::string_view name, std::string_view phrase) = 0;

  virtual expected<void>
  learn_concept(const concepts::concept_id& id,
                const concepts::concept_facts& facts) = 0;
  virtual expected<void>
  learn_association(const concepts::association& what) = 0;
};

class concept_store : public concept_learner {
public:
  virtual expected<void> strengthen(const concepts::concept_id& id,
                                    float amount) = 0;
  virtual expected<void> decay(const concepts::concept_id& id,
                               float factor) = 0;
  virtual expected<void> forget(const concepts::concept_id& id) = 0;
  virtual expected<void> forget(const concepts::association& what) = 0;

  /// Waits until all that was learnt can be seen. `not_found` when some of it
  /// was refused meanwhile.
  virtual expected<void> settle() = 0;

  virtual expected<concept_service::answer>
  ask(const concept_service::question& what) = 0;

  virtual expected<actors::concept_report> report() = 0;

  /// Ends it: what was learnt outlives this process.
  virtual expected<void> close() = 0;
};

/// A folder, which is made if there is none and `make` is set.
[[nodiscard]] expected<std::unique_ptr<concept_store>>
open_concept_folder(const std::string& folder, bool make);

/// The concept memory of the node at "HOST:PORT".
[[nodiscard]] expected<std::unique_ptr<concept_store>>
open_concept_node(const std::string& address,
                  std::chrono::milliseconds timeout);

} // namespace neuroplex::cli
