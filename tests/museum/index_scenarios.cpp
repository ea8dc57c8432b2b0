#include "tests/museum/scenarios.hpp"

namespace neuroplex::museum {

namespace {

scenario overflowing_line() {
  return {
    .name = "overflowing_line",
    .sentence = "an insertion beyond a full home line is met by its rivals",
    .prepare =
      [](world& w) {
        // Eleven of the line's twelve slots by name, so that one insertion
        // finds the last slot and the next goes to the next line.
        w.fill_line(11);
      },
    .roles = {{[](world& w) {
                w.add(0, 0, 1);
                w.get(0, 0);
              }},
              {[](world& w) {
                w.add(1, 1, 7);
                w.add(1, 0, 2);
              }}},
    .within = {.preemptions = 2, .spells = 1, .together = 2},
    .pages = 8,
  };
}

scenario full_index() {
  return {
    .name = "full_index",
    .sentence = "of two that find the index full one lets it grow, and neither "
                "is refused",
    .prepare =
      [](world& w) {
        // The other group stays empty, so that the index is not crowded.
        w.fill_group();
      },
    .roles = {{[](world& w) { w.add(0, 0, 1); }},
              {[](world& w) { w.add(1, 1, 2); }}},
    .within = {.preemptions = 1, .spells = 0, .together = 1, .most_runs = 20},
    .samples = 300,
    .pages = 32,
    .index_groups = 2,
    .most_steps = 2'000'000,
  };
}

scenario doubling() {
  return {
    .name = "doubling",
    .sentence = "the index doubles under readers and writers",
    .prepare =
      [](world& w) {
        w.set(0, 0, 1);
        w.set(0, 6, 1);
        w.grow_index();
      },
    .roles = {{[](world& w) {
                w.set(0, 0, 2);
                w.get(0, 6);
              }},
              {[](world& w) {
                w.erase(1, 0);
                w.add(1, 0, 3);
                w.increment(1, 6, 2);
              }},
              {[](world& w) {
                w.get(2, 0);
                w.get_with_care(2, 6);
                w.add(2, 1, 4);
                w.get(2, 0);
              }}},
    .within = {.preemptions = 1,
               .spells = 0,
               .together = 1,
               .most_runs = 3'000},
    .samples = 1'000,
    .most_steps = 200'000,
  };
}

scenario doubling_begins() {
  auto result = doubling();
  result.name = "doubling_begins";
  result.sentence = "the index begins to double under readers and writers";
  result.prepare = [](world& w) {
    w.set(0, 0, 1);
    w.set(0, 6, 1);
  };
  result.roles.push_back({[](world& w) {
    w.grow_index();
    w.set(3, 7, 5);
  }});
  return result;
}

scenario dead_doubler() {
  auto result = doubling();
  result.name = "dead_doubler";
  result.sentence = "who dies while the index doubles leaves it to the others";
  result.roles[0].mortal = true;
  result.roles[1].mortal = true;
  result.roles.push_back(recovers(3, 0));
  result.roles.push_back(recovers(4, 1));
  result.within.preemptions = 0;
  result.within.deaths = 1;
  result.deaths = 2;
  return result;
}

scenario late_helper() {
  return {
    .name = "late_helper",
    .sentence = "who helps to double the index and comes late changes nothing "
                "of what stands there since",
    .prepare =
      [](world& w) {
        w.set(0, 0, 1);
        w.grow_index();
      },
    .roles = {{[](world& w) { w.erase(0, 1); }}, {[](world& w) {
                w.erase(1, 0);
                w.add(1, 3, 5);
                w.get_with_care(1, 3);
              }}},
    .within = {.preemptions = 1,
               .spells = 0,
               .together = 1,
               .most_runs = 1'000},
    .samples = 200,
    .most_steps = 200'000,
  };
}

} // namespace

std::vector<scenario> index_scenarios() {
  return {overflowing_line(), full_index(),   doubling(),
          doubling_begins(),  dead_doubler(), late_helper()};
}

} // namespace neuroplex::museum
