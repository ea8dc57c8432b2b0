#include "cli/commands/concept.hpp"

#include "cli/concept/csv_learner.hpp"
#include "cli/concept/json_learner.hpp"
#include "cli/concept/picture.hpp"
#include "cli/concept/show_concepts.hpp"
#include "cli/concept/wordnet_learner.hpp"
#include "cli/flags.hpp"
#include "cli/load/wordnet.hpp"
#include "cli/progress_output.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/terminal/units.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using concepts::concept_id;
using concepts::concept_slot;
using concepts::concurrent_memory;

constexpr std::chrono::milliseconds longest_wait{600'000};

struct store_argument {
  std::string folder = "concepts";

  void add_to(CLI::App& command) {
    add_text(command, "--store", folder,
             "Folder that holds the concepts [concepts]");
  }

  [[nodiscard]] expected<std::unique_ptr<concurrent_memory>>
  open(bool make) const {
    return concurrent_memory::open(
      folder, make, concepts::memory_options::write_throughput());
  }
};

// --- load

struct load_given {
  store_argument store;
  std::string input;
  expected<learnt_totals> (*learn)(const load_given&, concurrent_memory&,
                                   const learn_progress&) = nullptr;
  std::string note;
};

expected<learnt_totals> learn_all(context& ctx, const load_given& given,
                                  concurrent_memory& memory) {
  progress_output shown{ctx};
  progress bar{shown.stream(), shown.traits(), "learn", 0,
               progress_unit::bytes};
  auto learnt = given.learn(given, memory, [&bar](std::uint64_t bytes_read) {
    bar.update(bytes_read);
    return !interrupt_guard::requested();
  });
  if (!learnt)
    return learnt;
  if (auto seen = memory.flush(longest_wait); seen == errc::deadline)
    return failure{errc::deadline,
                   "what was read is not all learnt yet: load it again"};
  auto stats = memory.stats();
  if (stats.reconciler.entries_refused != 0) {
    auto events = memory.events();
    return failure{errc::not_found,
                   human_count(stats.reconciler.entries_refused)
                     + " lines were refused, the last since "
                     + std::string{describe(events.back().why)}
                     + " (concepts come before their associations); the rest "
                       "was learnt"};
  }
  bar.finish(
    human_count(learnt->concepts, "concept", "concepts") + ", "
    + human_count(learnt->associations, "association", "associations"));
  return learnt;
}

outcome run_load(context& ctx, const load_given& given) {
  auto memory = given.store.open(true);
  if (!memory)
    return failed(memory.error());
  if (ctx.output == output_format::text && !given.note.empty())
    ctx.out << given.note << '\n';
  int signal_number = 0;
  expected<learnt_totals> learnt{errc::internal};
  {
    interrupt_guard guard;
    learnt = learn_all(ctx, given, **memory);
    signal_number = interrupt_guard::signal_number();
  }
  auto stats = (*memory)->stats();
  auto closed = (*memory)->close();
  if (signal_number != 0)
    end_by_signal(signal_number);
  if (!closed)
    return failed(closed.error());
  if (!learnt)
    return failed(learnt.error());
  if (ctx.output == output_format::json)
    ctx.out << json{{"store", given.store.folder},
                    {"concepts_read", learnt->concepts},
                    {"associations_read", learnt->associations},
                    {"associations_by_type", learnt->by_type},
                    {"concepts", stats.concepts},
                    {"edges", stats.edges}}
                 .dump(2)
            << '\n';
  return std::nullopt;
}

void add_load_format(CLI::App& load, context& ctx,
                     const std::shared_ptr<load_given>& given,
                     const std::string& name, const std::string& doc,
                     const std::string& argument, const std::string& what,
                     bool required) {
  auto& command = add_subcommand(load, ctx, given, name, doc, run_load);
  given->store.add_to(command);
  add_argument(command, argument, given->input, what, required);
}

void add_load_commands(CLI::App& concept_command, context& ctx) {
  auto& load = *concept_command.add_subcommand(
    "load", "Learn a graph from WordNet, JSON lines or CSV");
  load.require_subcommand(1);
  auto wordnet = std::make_shared<load_given>();
  wordnet->input = wordnet_directory;
  wordnet->note =
    std::string{wordnet_notice} + ' ' + std::string{wordnet_licence_path};
  wordnet->learn = [](const load_given& given, concurrent_memory& memory,
                      const learn_progress& go_on) {
    return learn_wordnet(given.input, memory, go_on);
  };
  add_load_format(
    load, ctx, wordnet, "wordnet",
    "WordNet 3.0: a concept a synset, an association a pointer", "DIRECTORY",
    "Where data.noun and its kin are [/usr/share/wordnet]", false);
  auto lines = std::make_shared<load_given>();
  lines->learn = [](const load_given& given, concurrent_memory& memory,
                    const learn_progress& go_on) -> expected<learnt_totals> {
    auto source = open_source(given.input);
    if (!source)
      return source.error();
    return learn_json_lines(std::move(*source), memory, go_on);
  };
  add_load_format(load, ctx, lines, "jsonl",
                  R"({"id":...,"content":...} or )"
                  R"({"source":...,"target":...,"type":...} a line)",
                  "FILE", "Input; - is standard input", true);
  auto table = std::make_shared<load_given>();
  table->learn = [](const load_given& given, concurrent_memory& memory,
                    const learn_progress& go_on) -> expected<learnt_totals> {
    auto source = open_source(given.input);
    if (!source)
      return source.error();
    return learn_csv(std::move(*source), memory, go_on);
  };
  add_load_format(load, ctx, table, "csv",
                  "A table of concepts (id, content, ...) or of associations "
                  "(source, target, type, ...)",
                  "FILE", "Input with a header row; - is standard input", true);
  add_examples(load, {"neuroplex concept load wordnet --store wordnet",
                      "neuroplex concept load jsonl graph.jsonl",
                      "neuroplex concept load csv nodes.csv"});
}

// --- queries

struct query_given {
  store_argument store;
  std::string from;
  std::string to;
  std::vector<std::string> names;
  std::vector<std::string> types;
  std::string way = "out";
  std::string cost = "hops";
  std::string picture;
  std::uint64_t depth = concepts::query_bounds{}.max_depth;
  std::uint64_t visited = concepts::query_bounds{}.max_visited;
  std::uint64_t time_ms = 1000;
  std::uint64_t limit = 20;
  bool sentences = false;
};

/// A memory that was opened to be asked.
struct opened_memory {
  std::unique_ptr<concurrent_memory> memory;
  concepts::snapshot version;

  [[nodiscard]] shown_graph graph() const {
    return {*version, memory->types()};
  }
};

expected<opened_memory> open_to_ask(const query_given& given) {
  auto memory = given.store.open(false);
  if (!memory)
    return memory.error();
  auto version = (*memory)->load("neuroplex concept");
  if (!version)
    return version.error();
  return opened_memory{std::move(*memory), std::move(*version)};
}

/// A concept by its name, else by the digits of its id.
expected<concept_slot> find_named(const concepts::graph_version& in,
                                  const std::string& name) {
  auto slot = in.find(concept_id::of_name(name));
  if (auto id = concept_id::parse(name); !slot && id)
    slot = in.find(*id);
  if (!slot)
    return failure{errc::not_found,
                   name
                     + ": no such concept: \"neuroplex concept search\" "
                       "finds names by what they mean"};
  return *slot;
}

expected<concepts::walk_options> walk_of(const query_given& given,
                                         const shown_graph& graph) {
  concepts::walk_options options;
  options.way = given.way == "out"  ? concepts::direction::out
                : given.way == "in" ? concepts::direction::in
                                    : concepts::direction::any;
  options.bounds.max_depth = static_cast<unsigned>(given.depth);
  options.bounds.max_visited = given.visited;
  options.bounds.max_time = std::chrono::milliseconds{given.time_ms};
  for (const auto& name : given.types) {
    auto type = graph.types.find(name);
    if (!type)
      return failure{errc::not_found,
                     name + ": no such type of association in this store"};
    options.types.add(*type);
  }
  return options;
}

expected<void> write_picture(const query_given& given, const shown_graph& graph,
                             const concepts::path& path) {
  constexpr std::size_t most_concepts = 60;
  std::vector<concept_slot> seeds;
  for (const auto& step : path.steps)
    seeds.push_back(step.slot);
  concepts::walk_options near;
  near.bounds.max_depth = 1;
  auto around = concepts::subgraph(graph.version, seeds, near, most_concepts);
  auto text = given.picture.ends_with(".svg")
                ? svg_picture(graph.version, graph.types, path, around)
                : graphviz_picture(graph.version, graph.types, path, around);
  std::ofstream file{given.picture, std::ios::binary | std::ios::trunc};
  file << text << std::flush;
  if (!file)
    return failure{errc::bad_path, given.picture + ": " + std::strerror(errno)
                                     + ": name a file that can be written"};
  return {};
}

outcome run_path(context& ctx, const query_given& given) {
  auto asked = open_to_ask(given);
  if (!asked)
    return failed(asked.error());
  auto graph = asked->graph();
  auto from = find_named(graph.version, given.from);
  if (!from)
    return failed(from.error());
  auto to = find_named(graph.version, given.to);
  if (!to)
    return failed(to.error());
  auto options = walk_of(given, graph);
  if (!options)
    return failed(options.error());
  concepts::paths_result found;
  auto begin = std::chrono::steady_clock::now();
  if (given.cost == "hops" && given.limit == 1) {
    auto one = find_path(graph.version, *from, *to, *options);
    if (!one.best.steps.empty())
      found.paths.push_back(std::move(one.best));
    found.hit = one.hit;
    found.visited = one.visited;
  } else {
    auto cost = given.cost == "hops"     ? concepts::path_cost::hops
                : given.cost == "weight" ? concepts::path_cost::weight
                                         : concepts::path_cost::strength;
    found =
      cheapest_paths(graph.version, *from, *to, cost, given.limit, *options);
  }
  auto took = std::chrono::steady_clock::now() - begin;
  if (found.paths.empty())
    return failed(
      failure{errc::not_found, "no path from " + given.from + " to " + given.to
                                 + (found.hit == concepts::bound_hit::none
                                      ? ": there is none"
                                      : " within the bound of "
                                          + std::string{to_string(found.hit)}
                                          + ": raise it to look further")});
  show_paths(ctx, graph, found, took, given.sentences);
  if (given.picture.empty())
    return std::nullopt;
  auto drawn = write_picture(given, graph, found.paths.front());
  return drawn ? outcome{} : failed(drawn.error());
}

outcome run_neighbors(context& ctx, const query_given& given) {
  auto asked = open_to_ask(given);
  if (!asked)
    return failed(asked.error());
  auto graph = asked->graph();
  auto of = find_named(graph.version, given.from);
  if (!of)
    return failed(of.error());
  auto options = walk_of(given, graph);
  if (!options)
    return failed(options.error());
  show_neighbors(ctx, graph,
                 neighbors(graph.version, *of, *options, given.limit));
  return std::nullopt;
}

outcome run_spread(context& ctx, const query_given& given) {
  auto asked = open_to_ask(given);
  if (!asked)
    return failed(asked.error());
  auto graph = asked->graph();
  std::vector<concept_slot> seeds;
  for (const auto& name : given.names) {
    auto seed = find_named(graph.version, name);
    if (!seed)
      return failed(seed.error());
    seeds.push_back(*seed);
  }
  auto walk = walk_of(given, graph);
  if (!walk)
    return failed(walk.error());
  concepts::spread_options options;
  options.walk = *walk;
  options.limit = given.limit;
  show_spread(ctx, graph, spread(graph.version, seeds, options));
  return std::nullopt;
}

outcome run_search(context& ctx, const query_given& given) {
  auto asked = open_to_ask(given);
  if (!asked)
    return failed(asked.error());
  auto graph = asked->graph();
  auto options = walk_of(given, graph);
  if (!options)
    return failed(options.error());
  show_search(
    ctx, graph,
    search_prefix(graph.version, given.from, given.limit, options->bounds));
  return std::nullopt;
}

outcome run_stats(context& ctx, const query_given& given) {
  auto asked = open_to_ask(given);
  if (!asked)
    return failed(asked.error());
  show_memory(ctx, asked->memory->stats(), asked->memory->found());
  return std::nullopt;
}

void add_bounds(CLI::App& command, query_given& given) {
  constexpr std::uint64_t longest_ms = 600'000;
  add_number(command, "--max-visited", given.visited, 1, UINT32_MAX,
             "Concepts looked at before it stops [1000000]");
  add_duration(command, "--max-time", given.time_ms, 1, longest_ms,
               "Time before it stops [1s]");
}

void add_walk(CLI::App& command, query_given& given) {
  add_number(command, "--depth", given.depth, 1, concepts::limits::max_depth,
             "Most associations in a row [" + std::to_string(given.depth)
               + "]");
  add_word(command, "--direction", given.way, {"out", "in", "any"},
           "Which way associations are followed [" + given.way + "]");
  command
    .add_option("--type", given.types,
                "Only associations of this type; may be repeated")
    ->type_name("NAME")
    ->allow_extra_args(false);
  add_bounds(command, given);
}

CLI::App& add_query(CLI::App& concept_command, context& ctx,
                    const std::shared_ptr<query_given>& given,
                    const std::string& name, const std::string& doc,
                    outcome (*run)(context&, const query_given&)) {
  auto& command = add_subcommand(concept_command, ctx, given, name, doc, run);
  given->store.add_to(command);
  return command;
}

void add_path_commands(CLI::App& concept_command, context& ctx) {
  for (auto sentences : {false, true}) {
    auto given = std::make_shared<query_given>();
    given->sentences = sentences;
    given->limit = 1;
    auto& command =
      add_query(concept_command, ctx, given, sentences ? "explain" : "path",
                sentences ? "Say in sentences how two concepts are connected"
                          : "Find how one comes from a concept to another",
                run_path);
    add_argument(command, "FROM", given->from, "Name of the first concept");
    add_argument(command, "TO", given->to, "Name of the last one");
    add_walk(command, *given);
    add_word(command, "--cost", given->cost, {"hops", "weight", "strength"},
             "What makes a path short: few associations, small weights, or "
             "strong ones [hops]");
    add_number(command, "--count", given->limit, 1, concepts::limits::max_paths,
               "How many paths [1]");
    add_text(command, "--picture", given->picture,
             "Draw the path and what is around it: FILE.svg, else Graphviz");
    add_examples(command,
                 {sentences
                    ? "neuroplex concept explain dog.n.01 cat.n.01"
                    : "neuroplex concept path dog.n.01 cat.n.01 --picture "
                      "dog.svg"});
  }
}

} // namespace

void add_concept(CLI::App& app, context& ctx) {
  auto& command = *app.add_subcommand(
    "concept", "Concepts and associations in a folder, and paths among them");
  command.require_subcommand(1);
  add_examples(command, {"neuroplex concept load wordnet",
                         "neuroplex concept path dog.n.01 cat.n.01",
                         "neuroplex concept spread dog.n.01 bone.n.01"});
  add_load_commands(command, ctx);
  add_path_commands(command, ctx);

  auto near = std::make_shared<query_given>();
  auto& neighbors =
    add_query(command, ctx, near, "neighbors",
              "Show what a concept is associated with", run_neighbors);
  add_argument(neighbors, "NAME", near->from, "Name of the concept");
  add_walk(neighbors, *near);
  add_number(neighbors, "--limit", near->limit, 1,
             concepts::limits::max_results, "Most that are shown [20]");

  auto wave = std::make_shared<query_given>();
  wave->depth = 3;
  wave->way = "any";
  auto& spread =
    add_query(command, ctx, wave, "spread",
              "Show what comes to mind with some concepts", run_spread);
  spread.add_option("NAME", wave->names, "Names of concepts")->required();
  add_walk(spread, *wave);
  add_number(spread, "--limit", wave->limit, 1, concepts::limits::max_results,
             "Most that are shown [20]");

  auto prefix = std::make_shared<query_given>();
  auto& search =
    add_query(command, ctx, prefix, "search",
              "Find concepts whose content begins with a text", run_search);
  add_argument(search, "TEXT", prefix->from, "How the content begins");
  add_bounds(search, *prefix);
  add_number(search, "--limit", prefix->limit, 1, concepts::limits::max_results,
             "Most that are shown [20]");

  auto all = std::make_shared<query_given>();
  add_query(command, ctx, all, "stats", "Show how much a store holds",
            run_stats);
}

} // namespace neuroplex::cli
