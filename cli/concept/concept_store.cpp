#include "cli/concept/concept_store.hpp"

#include "actors/concept_access.hpp"
#include "cli/target/node_client.hpp"
#include "cli/terminal/units.hpp"
#include "storage/concept/concurrent_memory.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace neuroplex::cli {

namespace {

using concepts::association;
using concepts::association_type;
using concepts::concept_facts;
using concepts::concept_id;
using concepts::concurrent_memory;

expected<void> of_code(errc code) {
  return code == errc::ok ? expected<void>{} : expected<void>{code};
}

failure some_refused(std::uint64_t count, const std::string& why) {
  return {errc::not_found,
          human_count(count, "line was", "lines were") + " refused" + why
            + " (concepts come before their associations); the rest was "
              "learnt"};
}

expected<concept_service::answer> checked(concept_service::answer given) {
  if (given.status == errc::ok)
    return given;
  auto advice = given.status == errc::not_found
                  ? ": \"neuroplex concept search\" finds names by what they "
                    "mean"
                  : "";
  return failure{given.status, given.problem + advice};
}

class folder_store final : public concept_store {
public:
  folder_store(std::string folder, std::unique_ptr<concurrent_memory> memory)
    : folder_{std::move(folder)}, memory_{std::move(memory)} {
  }

  expected<association_type> type(std::string_view name,
                                  std::string_view phrase) override {
    return memory_->types().intern(name, phrase);
  }

  expected<void> learn_concept(const concept_id& id,
                               const concept_facts& facts) override {
    return of_code(memory_->learn_concept(id, facts));
  }

  expected<void> learn_association(const association& what) override {
    return of_code(memory_->learn_association(what));
  }

  expected<void> strengthen(const concept_id& id, float amount) override {
    return of_code(memory_->strengthen(id, amount));
  }

  expected<void> decay(const concept_id& id, float factor) override {
    return of_code(memory_->decay(id, factor));
  }

  expected<void> forget(const concept_id& id) override {
    return of_code(memory_->forget(id));
  }

  expected<void> forget(const association& what) override {
    return of_code(memory_->forget(what));
  }

  expected<void> settle() override {
    constexpr std::chrono::milliseconds longest_wait{600'000};
    auto seen = memory_->flush(longest_wait);
    if (auto problem = memory_->problem())
      return *problem;
    if (seen != errc::ok)
      return failure{seen,
                     "what was read is not all learnt yet: load it again"};
    auto refused = memory_->stats().reconciler.entries_refused;
    if (refused == 0)
      return {};
    auto events = memory_->events();
    return some_refused(refused, ", the last since "
                                   + std::string{describe(events.back().why)});
  }

  expected<concept_service::answer>
  ask(const concept_service::question& what) override {
    auto now = memory_->load("neuroplex concept");
    if (!now)
      return now.error();
    return checked(answer_to(what, **now, *memory_));
  }

  expected<actors::concept_report> report() override {
    return actors::report_of(*memory_, folder_);
  }

  expected<void> close() override {
    return memory_->close();
  }

private:
  std::string folder_;
  std::unique_ptr<concurrent_memory> memory_;
};

// Collects a lesson, and sends it when it is full.
class node_store final : public concept_store {
public:
  node_store(actors::client client, std::uint64_t refused_before)
    : client_{std::move(client)}, refused_before_{refused_before} {
  }

  expected<association_type> type(std::string_view name,
                                  std::string_view phrase) override {
    return lesson_.type(name, phrase);
  }

  expected<void> learn_concept(const concept_id& id,
                               const concept_facts& facts) override {
    return added(lesson_.learn_concept(id, facts));
  }

  expected<void> learn_association(const association& what) override {
    return added(lesson_.learn_association(what));
  }

  expected<void> strengthen(const concept_id& id, float amount) override {
    return added(lesson_.strengthen(id, amount));
  }

  expected<void> decay(const concept_id& id, float factor) override {
    return added(lesson_.decay(id, factor));
  }

  expected<void> forget(const concept_id& id) override {
    return added(lesson_.forget(id));
  }

  expected<void> forget(const association& what) override {
    return added(lesson_.forget(what));
  }

  expected<void> settle() override {
    if (auto sent = send(actors::lesson_wait::visible); !sent)
      return sent;
    auto now = report();
    if (!now)
      return now.error();
    if (now->refused > refused_before_)
      return some_refused(now->refused - refused_before_, " by the node");
    return {};
  }

  expected<concept_service::answer>
  ask(const concept_service::question& what) override {
    return checked(client_.ask(what));
  }

  expected<actors::concept_report> report() override {
    auto whole = client_.stats();
    if (!whole)
      return whole.error();
    return whole->concepts;
  }

  expected<void> close() override {
    return {};
  }

private:
  expected<void> added(errc code) {
    if (code != errc::ok)
      return code;
    return lesson_.full() ? send(actors::lesson_wait::as_configured)
                          : expected<void>{};
  }

  expected<void> send(actors::lesson_wait until) {
    // A node that is busy and has taken nothing is asked again for a while.
    constexpr std::chrono::milliseconds pause{50};
    constexpr auto most_tries = 200;
    const auto lesson = lesson_.take();
    auto receipt = client_.learn(lesson, until);
    for (auto tries = 1; receipt.status == errc::busy && receipt.accepted == 0
                         && tries < most_tries;
         ++tries) {
      std::this_thread::sleep_for(pause);
      receipt = client_.learn(lesson, until);
    }
    if (receipt.status == errc::ok)
      return {};
    return failure{receipt.status, receipt.problem};
  }

  actors::client client_;
  concept_service::lesson_writer lesson_;
  std::uint64_t refused_before_;
};

} // namespace

expected<std::unique_ptr<concept_store>>
open_concept_folder(const std::string& folder, bool make) {
  auto memory = concurrent_memory::open(
    folder, make, concepts::memory_options::write_throughput());
  if (!memory)
    return memory.error();
  return std::unique_ptr<concept_store>{
    std::make_unique<folder_store>(folder, std::move(*memory))};
}

expected<std::unique_ptr<concept_store>>
open_concept_node(const std::string& address,
                  std::chrono::milliseconds timeout) {
  auto client = connect_to_node(address, timeout);
  if (!client)
    return client.error();
  auto report = client->stats();
  if (!report)
    return report.error();
  if (!report->concepts.enabled)
    return failure{
      errc::unavailable,
      "node " + address
        + ": it has no concept memory: start it with --concepts true"};
  return std::unique_ptr<concept_store>{
    std::make_unique<node_store>(std::move(*client), report->concepts.refused)};
}

} // namespace neuroplex::cli
