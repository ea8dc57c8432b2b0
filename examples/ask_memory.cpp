// An agent as an actor of your own: it teaches the concept memory of a node,
// and asks what comes to mind, by messages.
//
//   example_ask_memory <data directory>

#include "actors/clock.hpp"
#include "actors/node.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <cstdio>
#include <string>

using namespace neuroplex;
using namespace neuroplex::actors;
using concept_service::question_kind;
using concepts::concept_id;

namespace {

// A busy machine may take long for anything.
constexpr milliseconds patience{20'000};

request_header until_then() {
  request_header header;
  header.deadline_ms = unix_ms() + patience.count();
  return header;
}

/// A dog chases a cat, which likes milk.
concept_service::lesson first_lesson() {
  concept_service::lesson_writer lesson;
  for (const auto* name : {"dog", "cat", "milk"})
    static_cast<void>(
      lesson.learn_concept(concept_id::of_name(name), {.content = name}));
  auto chases = lesson.type("chases");
  auto likes = lesson.type("likes");
  static_cast<void>(lesson.learn_association(
    {concept_id::of_name("dog"), concept_id::of_name("cat"), *chases}));
  static_cast<void>(lesson.learn_association(
    {concept_id::of_name("cat"), concept_id::of_name("milk"), *likes}));
  return lesson.take();
}

void tell_what_comes_to_mind(const concept_service::answer& found) {
  for (const auto& each : found.concepts)
    std::printf("%s comes to mind\n", each.name.c_str());
}

void agent(caf::event_based_actor* self, const node_actor& memory) {
  auto fail = [](const caf::error& why) {
    std::fprintf(stderr, "%s\n", render(why).c_str());
  };
  // Answered when readers see it.
  lesson_request lesson{until_then(), lesson_wait::visible, first_lesson()};
  ask(self, memory, patience, learn_atom_v, std::move(lesson))
    .then(
      [=](const lesson_receipt& receipt) {
        std::printf("learnt %u things\n", receipt.accepted);
        question_request question;
        question.header = until_then();
        question.what.kind = question_kind::spread;
        question.what.names = {"dog"};
        ask(self, memory, patience, ask_atom_v, std::move(question))
          .then(tell_what_comes_to_mind, fail);
      },
      fail);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2)
    return 2;
  config::node_options options;
  options.cluster = "example";
  options.data_dir = argv[1];
  options.concepts.enabled = true;
  auto started = node::start(options);
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().to_string().c_str());
    return exit_status(started.code());
  }
  auto& system = (*started)->system();
  caf::scoped_actor self{system};
  self->wait_for(system.spawn(agent, (*started)->handle()));
  return 0;
}
