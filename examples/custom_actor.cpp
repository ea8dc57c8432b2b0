// An actor of your own against the memory API: it counts words, keeps the
// counts in the shared segment, and is asked by messages.
//
//   example_custom_actor <segment file>

#include "actors/caf_compat.hpp"
#include "actors/message_types.hpp"
#include "memory/store.hpp"

#include <caf/scoped_actor.hpp>

#include <cstdio>
#include <sstream>
#include <string>

using namespace neuroplex;
using namespace neuroplex::actors;

namespace {

using word_counter_actor = interface_of<
  // Counts the words of a text; answers how many there were.
  answers<std::uint64_t>(apply_atom, std::string),
  // How often a word was seen; `not_found` for one that was not.
  answers<std::string>(scan_atom, std::string)>;

// A busy machine may take long for anything.
constexpr milliseconds patience{20'000};

struct word_counter_state {
  memory::store* store = nullptr;
  memory::namespace_id words{};
  static inline const char* name = "word_counter";
};

word_counter_actor::behavior_type
word_counter(actor_pointer<word_counter_actor, word_counter_state> self,
             memory::store* store, memory::namespace_id words) {
  state_of(self).store = store;
  state_of(self).words = words;
  return {
    [self](apply_atom, const std::string& text) -> caf::result<std::uint64_t> {
      std::istringstream stream{text};
      std::uint64_t count = 0;
      for (std::string word; stream >> word; ++count) {
        std::int64_t sum = 0;
        auto code =
          state_of(self).store->increment(state_of(self).words, word, 1, sum);
        if (code != errc::ok)
          return make_error(code);
      }
      return count;
    },
    [self](scan_atom, const std::string& word) -> caf::result<std::string> {
      std::string seen;
      auto code = state_of(self).store->get(state_of(self).words, word, seen);
      if (code != errc::ok)
        return make_error(code);
      return seen;
    },
  };
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2)
    return 2;
  // The store must outlive the actor system, so it is made first.
  auto store = memory::store::open_or_create(argv[1], {});
  auto words = store ? store->open_namespace("words")
                     : expected<memory::namespace_id>{store.error()};
  if (!words) {
    std::fprintf(stderr, "%s\n", words.error().to_string().c_str());
    return exit_status(words.error().code());
  }
  system_config config{{.worker_threads = 1, .network = false}};
  caf::actor_system system{config};
  auto counter = system.spawn(word_counter, &*store, *words);

  caf::scoped_actor self{system};
  auto complain = [](const caf::error& error) {
    std::fprintf(stderr, "error: %s\n", render(error).c_str());
  };
  ask(&*self, counter, patience, apply_atom_v,
      std::string{"to be or not to be"})
    .receive(
      [](std::uint64_t count) {
        std::printf("counted %llu words\n",
                    static_cast<unsigned long long>(count));
      },
      complain);
  ask(&*self, counter, patience, scan_atom_v, std::string{"be"})
    .receive(
      [](const std::string& seen) {
        std::printf("\"be\" was seen %s times\n", seen.c_str());
      },
      complain);
  return 0;
}
