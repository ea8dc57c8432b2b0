#include "tests/museum/scenarios.hpp"

#include <memory>
#include <utility>

namespace neuroplex::museum {

namespace {

using schedule::bounds;

/// Reuses blocks as soon as nobody pins them, as a thread does that has
/// displaced enough.
void set_soon_reused(world& w, unsigned thread, unsigned key,
                     std::uint32_t value) {
  w.set(thread, key, value);
  w.reuse(thread);
}

scenario reused_block() {
  return {
    .name = "reused_block",
    .sentence = "a key that is there all the time is found, though its block "
                "is displaced and reused for another key meanwhile",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.get(0, 0);
                w.get_with_care(0, 0);
              }},
              {[](world& w) {
                set_soon_reused(w, 1, 0, 2);
                w.set(1, 1, 3);
              }},
              {[](world& w) { w.erase(2, 0); }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario same_block_again() {
  return {
    .name = "same_block_again",
    .sentence = "a block that returns to its slot with other content is not "
                "taken for the old one",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.get(0, 0);
                w.get(0, 0);
              }},
              {[](world& w) {
                set_soon_reused(w, 1, 0, 2);
                set_soon_reused(w, 1, 0, 3);
                w.set(1, 0, 4);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 3},
  };
}

scenario same_block_again_with_care() {
  auto result = same_block_again();
  result.name = "same_block_again_with_care";
  result.roles[0] = {[](world& w) {
    w.get_with_care(0, 0);
    w.get_with_care(0, 0);
  }};
  return result;
}

scenario told_of_a_write() {
  return {
    .name = "told_of_a_write",
    .sentence = "who has been told of a write finds it",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.set(0, 0, 2);
                w.set(0, 1, 5);
                w.threads().raise(0);
              }},
              {[](world& w) {
                w.threads().await(0);
                w.get(1, 0);
                w.get(1, 1);
                w.erase(1, 1);
                w.threads().raise(1);
              }},
              {[](world& w) {
                w.threads().await(1);
                w.get(2, 1);
                w.get_with_care(2, 0);
              }}},
    .within = {.preemptions = 1, .spells = 2, .together = 2},
  };
}

scenario two_inserts() {
  return {
    .name = "two_inserts",
    .sentence = "of two insertions of one key into different slots one wins",
    .prepare = [](world& w) { w.set(0, 1, 9); },
    .roles = {{[](world& w) {
                w.add(0, 0, 1);
                w.get(0, 0);
              }},
              {[](world& w) {
                w.erase(1, 1);
                w.add(1, 0, 2);
                w.get_with_care(1, 0);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 3},
  };
}

scenario three_inserts() {
  return {
    .name = "three_inserts",
    .sentence = "of three insertions of one key one wins",
    .prepare = [](world& w) { w.set(0, 1, 9); },
    .roles = {{[](world& w) { w.add(0, 0, 1); }},
              {[](world& w) {
                w.erase(1, 1);
                w.add(1, 0, 2);
              }},
              {[](world& w) {
                w.set(2, 0, 3);
                w.get(2, 0);
              }}},
    .within = {.preemptions = 2, .spells = 0, .together = 2},
  };
}

scenario overwrites() {
  return {
    .name = "overwrites",
    .sentence = "writers of one key follow one another, and readers see them "
                "in that order",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.set(0, 0, 2);
                w.set(0, 0, 3);
              }},
              {[](world& w) {
                w.set(1, 0, 4);
                w.set(1, 0, 150);
              }},
              {[](world& w) {
                w.get(2, 0);
                w.get_with_care(2, 0);
                w.get(2, 0);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario conditions() {
  return {
    .name = "conditions",
    .sentence = "add, replace and erase refuse only what stands",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.replace(0, 0, 2);
                w.replace(0, 0, 3);
              }},
              {[](world& w) {
                set_soon_reused(w, 1, 0, 4);
                set_soon_reused(w, 1, 1, 5);
                w.set(1, 0, 6);
              }},
              {[](world& w) {
                w.erase(2, 0);
                w.add(2, 0, 7);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario refusals() {
  return {
    .name = "refusals",
    .sentence = "who has removed a key is not refused to add it on the word of "
                "a block that another thread fills for it and never publishes",
    .prepare =
      [](world& w) {
        w.set(0, 0, 1);
        w.set(0, 4, 1);
      },
    .roles = {{[](world& w) {
                w.erase(0, 0);
                w.add(0, 0, 7);
              }},
              {[](world& w) {
                set_soon_reused(w, 1, 4, 2);
                w.replace(1, 0, 3);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario increments() {
  return {
    .name = "increments",
    .sentence = "no increment is lost",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.increment(0, 0, 1);
                w.increment(0, 0, 1);
              }},
              {[](world& w) { w.increment(1, 0, 10); }},
              {[](world& w) { w.swap(2, 0, 2, 50); }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario first_increments() {
  return {
    .name = "first_increments",
    .sentence = "increments that create their key count once each",
    .prepare = [](world& w) { w.set(0, 1, 9); },
    .roles = {{[](world& w) { w.increment(0, 0, 1); }},
              {[](world& w) {
                w.erase(1, 1);
                w.increment(1, 0, 10);
              }},
              {[](world& w) { w.erase(2, 0); }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario pinned_view() {
  return {
    .name = "pinned_view",
    .sentence = "what a view pins stays as it is",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.view(0, 0);
                w.view(0, 0);
              }},
              {[](world& w) {
                set_soon_reused(w, 1, 0, 2);
                w.set(1, 1, 3);
                w.set(1, 0, 4);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 3},
  };
}

scenario slow_writers() {
  return {
    .name = "slow_writers",
    .sentence = "a writer that was off the processor does not act on a block "
                "that came back in another role",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) {
                w.erase(0, 0);
                w.get(0, 1);
              }},
              {[](world& w) {
                set_soon_reused(w, 1, 0, 2);
                set_soon_reused(w, 1, 0, 3);
                w.set(1, 1, 4);
              }},
              {[](world& w) { w.set(2, 0, 5); }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario raw_blocks() {
  auto churn = [](unsigned self) {
    return [self](world& w) {
      auto first = w.take(self, 64);
      auto second = w.take(self, 64);
      w.give(self, first);
      auto third = w.take(self, 64);
      w.give(self, second);
      w.flush(self);
      w.give(self, third);
      w.scavenge(self);
    };
  };
  return {
    .name = "raw_blocks",
    .sentence = "no block has two owners, and all come back",
    .prepare =
      [](world& w) {
        w.set(0, 0, 1);
        w.flush(0);
      },
    .roles = {{churn(0)}, {churn(1)}},
    .within = {.preemptions = 2, .spells = 0, .together = 2},
    .pages = 4,
  };
}

scenario returned_block() {
  // Taken before the runs, from a span that nobody owns when they begin.
  auto lent = std::make_shared<std::uint32_t>(0);
  return {
    .name = "returned_block",
    .sentence = "a block that comes back to a span is not taken before it is "
                "free",
    .prepare =
      [lent](world& w) {
        *lent = w.take(0, 64);
        w.flush(0);
      },
    .roles = {{[lent](world& w) {
                w.give(0, *lent);
                w.flush(0);
              }},
              {[](world& w) {
                auto first = w.take(1, 64);
                auto second = w.take(1, 64);
                if (first != 0)
                  w.give(1, first);
                if (second != 0)
                  w.give(1, second);
                w.flush(1);
              }}},
    .within = {.preemptions = 2, .spells = 0, .together = 2},
    .pages = 1,
  };
}

scenario common_span() {
  auto result = returned_block();
  result.name = "common_span";
  result.sentence = "a span has one owner, and is given up when it is empty";
  auto first = std::move(result.roles[0].body);
  result.roles[0].body = [first](world& w) {
    first(w);
    if (auto block = w.take(0, 64); block != 0)
      w.give(0, block);
    w.flush(0);
    w.scavenge(0);
  };
  auto second = std::move(result.roles[1].body);
  result.roles[1].body = [second](world& w) {
    w.scavenge(1);
    second(w);
  };
  return result;
}

scenario raw_pages() {
  auto churn = [](unsigned self) {
    return [self](world& w) {
      auto large = w.take(self, 17'000);
      auto small = w.take(self, 64);
      if (large != 0)
        w.give(self, large);
      w.give(self, small);
      w.flush(self);
      w.scavenge(self);
    };
  };
  return {
    .name = "raw_pages",
    .sentence = "no page has two owners, and all come back",
    .prepare = [](world&) {},
    .roles = {{churn(0)}, {churn(1)}},
    .within = {.preemptions = 2, .spells = 0, .together = 2},
    .pages = 12,
  };
}

scenario scans() {
  return {
    .name = "scans",
    .sentence = "a scan meets an entry that is only ever replaced",
    .prepare = [](world& w) { w.set(0, 0, 1); },
    .roles = {{[](world& w) { w.scan_for(0, 0); }}, {[](world& w) {
                set_soon_reused(w, 1, 0, 2);
                set_soon_reused(w, 1, 1, 3);
                w.set(1, 0, 4);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
  };
}

scenario dead_writer(const char* name, std::function<void(world&)> body) {
  return {
    .name = name,
    .sentence = "what a dead writer leaves is finished or undone",
    .prepare =
      [](world& w) {
        w.set(0, 0, 1);
        w.set(0, 2, 1);
      },
    .roles = {{std::move(body), true},
              {[](world& w) {
                set_soon_reused(w, 1, 0, 4);
                w.set(1, 1, 5);
                w.get(1, 0);
              }},
              recovers(2, 0)},
    .within = {.preemptions = 1, .spells = 0, .deaths = 1, .together = 2},
    .deaths = 1,
  };
}

scenario dead_recoverer() {
  return {
    .name = "dead_recoverer",
    .sentence = "who dies while recovering leaves it to the next",
    .prepare =
      [](world& w) {
        w.set(0, 0, 1);
        w.set(0, 2, 1);
        // Some blocks on all its lists.
        w.set(0, 0, 2);
        w.set(0, 0, 3);
      },
    .roles = {{[](world& w) {
                 set_soon_reused(w, 0, 0, 4);
                 w.set(0, 0, 5);
                 w.erase(0, 2);
               },
               true},
              {[](world& w) {
                w.set(1, 0, 6);
                w.set(1, 2, 7);
              }},
              recovers(2, 0, true),
              {[](world& w) {
                // The first helper's work is repeated by whoever recovers it.
                if (w.threads().await_end(2) && w.threads().await_end(0))
                  w.recover(3, 0);
                if (w.threads().died(2))
                  w.recover(3, 2);
              }}},
    .within = {.preemptions = 0, .spells = 0, .deaths = 2, .together = 2},
    .deaths = 2,
  };
}

scenario dead_allocator() {
  return {
    .name = "dead_allocator",
    .sentence = "no page or block is lost with who was claiming or freeing it",
    .prepare = [](world& w) { w.set(1, 0, 1); },
    .roles = {{[](world& w) {
                 // One at a time: a thread's `pending` names one block.
                 if (auto large = w.take(0, 17'000); large != 0)
                   w.give(0, large);
                 w.give(0, w.take(0, 64));
                 w.flush(0);
                 w.scavenge(0);
               },
               true},
              {[](world& w) {
                auto small = w.take(1, 240);
                w.give(1, small);
                w.flush(1);
              }},
              recovers(2, 0)},
    .within = {.preemptions = 1, .spells = 0, .deaths = 1, .together = 2},
    .deaths = 1,
    .pages = 12,
  };
}

scenario pages_of_the_dead() {
  return {
    .name = "pages_of_the_dead",
    .sentence =
      "who recovers touches nothing in pages that the dead gave back, "
      "nor lists what goes with its page",
    .prepare =
      [](world& w) {
        // Some displaced blocks, which another link would cut off.
        w.set(2, 0, 1);
        w.set(2, 0, 2);
        w.set(2, 0, 3);
      },
    .roles = {{[](world& w) {
                 if (auto large = w.take(0, 17'000); large != 0)
                   w.give(0, large);
               },
               true},
              {[](world& w) {
                // In the pages of the large block, if they are free already.
                auto before = w.take(1, 240);
                w.fill_alike(before, 0);
                w.threads().await(0);
                w.kept(before, 0);
                auto after = w.take(1, 240);
                w.fill_alike(after, 0);
                w.threads().raise(1);
                if (after != 0)
                  w.give(1, after);
                if (before != 0)
                  w.give(1, before);
              }},
              {[](world& w) {
                if (w.threads().await_end(0))
                  w.recover(2, 0);
                w.threads().raise(0);
                w.threads().await(1);
                w.reuse(2);
              }}},
    .within = {.preemptions = 1, .spells = 0, .deaths = 1, .together = 2},
    .deaths = 1,
    .pages = 6,
  };
}

/// Of entries that share values; key 0 holds value 1 from the beginning.
scenario sharing_one(const char* name, const char* sentence,
                     std::vector<role> roles) {
  return {
    .name = name,
    .sentence = sentence,
    .prepare =
      [](world& w) {
        w.share();
        w.set(0, 0, 1);
      },
    .roles = std::move(roles),
    .within = {.preemptions = 2,
               .spells = 1,
               .together = 2,
               .most_runs = 4'000},
    .samples = 2'000,
    .pages = 16,
  };
}

scenario shared_value() {
  return sharing_one(
    "shared_value",
    "who follows a reference finds its content, or another entry",
    {{[](world& w) {
       w.get(0, 0);
       w.get_with_care(0, 0);
     }},
     {[](world& w) {
       set_soon_reused(w, 1, 0, 2);
       w.set(1, 0, 1);
     }},
     {[](world& w) { w.erase(2, 0); }}});
}

scenario last_reference() {
  return sharing_one(
    "last_reference",
    "a content is not freed by the last to leave under one who comes",
    {{[](world& w) {
       w.erase(0, 0);
       w.reuse(0);
     }},
     {[](world& w) {
       w.add(1, 1, 1);
       w.get(1, 1);
     }},
     {[](world& w) { w.set(2, 2, 1); }}});
}

scenario dead_sharer() {
  auto result = sharing_one(
    "dead_sharer",
    "a count that a death left too high is put right, and none is too low",
    {{[](world& w) {
        w.set(0, 0, 2);
        w.erase(0, 2);
      },
      true},
     {[](world& w) {
       w.set(1, 1, 1);
       w.set(1, 0, 2);
     }},
     recovers(2, 0)});
  result.prepare = [begin = result.prepare](world& w) {
    begin(w);
    w.set(0, 2, 1);
  };
  result.within.preemptions = 1;
  result.within.spells = 0;
  result.within.deaths = 1;
  result.deaths = 1;
  return result;
}

scenario knotted(const char* name, std::function<void(world&)> knot,
                 std::function<void(world&)> body) {
  return {
    .name = name,
    .sentence = "a list that was scribbled into a ring is given up after a few "
                "steps",
    .prepare =
      [knot = std::move(knot)](world& w) {
        w.set(0, 0, 1);
        w.set(0, 0, 2);
        knot(w);
      },
    .roles = {{[body = std::move(body)](world& w) {
      w.expect_damage();
      body(w);
    }}},
    .within = {.preemptions = 0, .spells = 0, .together = 0},
    .samples = 1,
    .most_steps = 10'000,
    .modelled = false,
  };
}

std::vector<scenario> scenarios_of_entries() {
  return {
    reused_block(),
    same_block_again(),
    same_block_again_with_care(),
    told_of_a_write(),
    two_inserts(),
    three_inserts(),
    overwrites(),
    conditions(),
    refusals(),
    increments(),
    first_increments(),
    pinned_view(),
    slow_writers(),
    raw_blocks(),
    returned_block(),
    common_span(),
    raw_pages(),
    scans(),
    dead_writer("dead_overwriter",
                [](world& w) {
                  set_soon_reused(w, 0, 0, 2);
                  w.set(0, 0, 3);
                }),
    dead_writer("dead_inserter",
                [](world& w) {
                  w.add(0, 1, 2);
                  w.add(0, 3, 3);
                }),
    dead_writer("dead_eraser",
                [](world& w) {
                  w.erase(0, 0);
                  w.erase(0, 2);
                }),
    dead_writer("dead_counter",
                [](world& w) {
                  w.increment(0, 0, 20);
                  w.increment(0, 3, 20);
                }),
    dead_recoverer(),
    dead_allocator(),
    pages_of_the_dead(),
    shared_value(),
    last_reference(),
    dead_sharer(),
    knotted(
      "knotted_retired_list", [](world& w) { w.knot_retired_list(0); },
      [](world& w) { w.reuse(0); }),
    knotted(
      "knotted_pinned_list", [](world& w) { w.knot_pinned_list(0); },
      [](world& w) { w.reuse(0); }),
    knotted(
      "knotted_magazine", [](world& w) { w.knot_magazine(0); },
      [](world& w) { w.flush(0); }),
    knotted(
      "knotted_lists_of_the_dead",
      [](world& w) {
        w.knot_retired_list(0);
        w.knot_magazine(0);
      },
      [](world& w) { w.recover(1, 0); }),
  };
}

} // namespace

const std::vector<scenario>& all_scenarios() {
  static const auto all = [] {
    auto result = scenarios_of_entries();
    for (auto& each : index_scenarios())
      result.push_back(std::move(each));
    return result;
  }();
  return all;
}

} // namespace neuroplex::museum
