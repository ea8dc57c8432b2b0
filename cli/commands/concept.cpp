#include "cli/commands/concept.hpp"

#include "cli/concept/concept_store.hpp"
#include "cli/concept/csv_learner.hpp"
#include "cli/concept/json_learner.hpp"
#include "cli/concept/picture.hpp"
#include "cli/concept/show_concepts.hpp"
#include "cli/concept/vector_text.hpp"
#include "cli/concept/wordnet_learner.hpp"
#include "cli/flags.hpp"
#include "cli/load/wordnet.hpp"
#include "cli/progress_output.hpp"
#include "cli/target/target_flags.hpp"
#include "cli/terminal/interrupt.hpp"
#include "cli/terminal/progress.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;
using concept_service::question;
using concept_service::question_kind;
using concepts::concept_id;

struct store_argument {
  std::string folder = "concepts";
  std::string node; ///< empty: the folder
  std::uint64_t timeout_ms = 60'000;

  void add_to(CLI::App& command) {
    auto* store = add_text(command, "--store", folder,
                           "Folder that holds the concepts [concepts]");
    add_text(command, "--node", node,
             "Node whose concept memory is meant instead of a folder")
      ->type_name("HOST:PORT")
      ->excludes(store);
    add_duration(command, "--timeout", timeout_ms, 1, 600'000,
                 "How long to wait for the node [60s]");
  }

  [[nodiscard]] expected<std::unique_ptr<concept_store>> open(bool make) const {
    return node.empty()
             ? open_concept_folder(folder, make)
             : open_concept_node(node, std::chrono::milliseconds{timeout_ms});
  }

  [[nodiscard]] const std::string& name() const {
    return node.empty() ? folder : node;
  }
};

// --- load

struct load_given {
  store_argument store;
  std::string input;
  expected<learnt_totals> (*learn)(const load_given&, concept_store&,
                                   const learn_progress&) = nullptr;
  std::string note;
};

expected<learnt_totals> learn_all(context& ctx, const load_given& given,
                                  concept_store& store) {
  progress_output shown{ctx};
  progress bar{shown.stream(), shown.traits(), "learn", 0,
               progress_unit::bytes};
  auto learnt = given.learn(given, store, [&bar](std::uint64_t bytes_read) {
    bar.update(bytes_read);
    return !interrupt_guard::requested();
  });
  if (!learnt)
    return learnt;
  if (auto settled = store.settle(); !settled)
    return settled.error();
  bar.finish(
    human_count(learnt->concepts, "concept", "concepts") + ", "
    + human_count(learnt->associations, "association", "associations"));
  return learnt;
}

outcome run_load(context& ctx, const load_given& given) {
  auto store = given.store.open(true);
  if (!store)
    return failed(store.error());
  if (ctx.output == output_format::text && !given.note.empty())
    ctx.out << given.note << '\n';
  int signal_number = 0;
  expected<learnt_totals> learnt{errc::internal};
  {
    interrupt_guard guard;
    learnt = learn_all(ctx, given, **store);
    signal_number = interrupt_guard::signal_number();
  }
  auto report = (*store)->report();
  auto closed = (*store)->close();
  if (signal_number != 0)
    end_by_signal(signal_number);
  if (!closed)
    return failed(closed.error());
  if (!learnt)
    return failed(learnt.error());
  if (!report)
    return failed(report.error());
  if (ctx.output == output_format::json)
    ctx.out << json{{"store", given.store.name()},
                    {"concepts_read", learnt->concepts},
                    {"associations_read", learnt->associations},
                    {"associations_by_type", learnt->by_type},
                    {"concepts", report->concepts},
                    {"edges", report->edges}}
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
  wordnet->learn = [](const load_given& given, concept_store& store,
                      const learn_progress& go_on) {
    return learn_wordnet(given.input, store, go_on);
  };
  add_load_format(
    load, ctx, wordnet, "wordnet",
    "WordNet 3.0: a concept a synset, an association a pointer", "DIRECTORY",
    "Where data.noun and its kin are [/usr/share/wordnet]", false);
  auto lines = std::make_shared<load_given>();
  lines->learn = [](const load_given& given, concept_store& store,
                    const learn_progress& go_on) -> expected<learnt_totals> {
    auto source = open_source(given.input);
    if (!source)
      return source.error();
    return learn_json_lines(std::move(*source), store, go_on);
  };
  add_load_format(load, ctx, lines, "jsonl",
                  R"({"id":...,"content":...} or )"
                  R"({"source":...,"target":...,"type":...} a line)",
                  "FILE", "Input; - is standard input", true);
  auto table = std::make_shared<load_given>();
  table->learn = [](const load_given& given, concept_store& store,
                    const learn_progress& go_on) -> expected<learnt_totals> {
    auto source = open_source(given.input);
    if (!source)
      return source.error();
    return learn_csv(std::move(*source), store, go_on);
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
  std::vector<std::string> names;
  std::string text;
  std::string vector; ///< numbers, or a file of them
  std::string like;
  std::string metric = "cosine";
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

expected<concept_service::answer> ask(const query_given& given,
                                      question_kind kind,
                                      std::uint32_t around = 0,
                                      std::vector<float> vector = {}) {
  auto store = given.store.open(false);
  if (!store)
    return store.error();
  question what;
  what.kind = kind;
  what.names = given.names;
  what.text = given.text;
  what.vector = std::move(vector);
  what.metric = given.metric == "l2" ? concepts::vector_metric::l2
                                     : concepts::vector_metric::cosine;
  what.types = given.types;
  what.way = given.way == "out"  ? concepts::direction::out
             : given.way == "in" ? concepts::direction::in
                                 : concepts::direction::any;
  what.cost = given.cost == "hops"     ? concepts::path_cost::hops
              : given.cost == "weight" ? concepts::path_cost::weight
                                       : concepts::path_cost::strength;
  what.limit = static_cast<std::uint32_t>(given.limit);
  what.around = around;
  what.max_depth = static_cast<std::uint32_t>(given.depth);
  what.max_visited = given.visited;
  what.max_ms = static_cast<std::uint32_t>(given.time_ms);
  return (*store)->ask(what);
}

/// Asks, and shows what is found.
outcome ask_and_show(context& ctx, const query_given& given, question_kind kind,
                     void (*show)(context&, const concept_service::answer&)) {
  auto found = ask(given, kind);
  if (!found)
    return failed(found.error());
  show(ctx, *found);
  return std::nullopt;
}

expected<void> write_picture(const query_given& given,
                             const concept_service::answer& found) {
  std::ofstream file{given.picture, std::ios::binary | std::ios::trunc};
  file << (given.picture.ends_with(".svg") ? svg_picture(found)
                                           : graphviz_picture(found))
       << std::flush;
  if (!file)
    return failure{errc::bad_path, given.picture + ": " + std::strerror(errno)
                                     + ": name a file that can be written"};
  return {};
}

outcome run_path(context& ctx, const query_given& given) {
  constexpr std::uint32_t most_drawn = 60;
  auto found = ask(given, question_kind::find_path,
                   given.picture.empty() ? 0 : most_drawn);
  if (!found)
    return failed(found.error());
  if (found->paths.empty())
    return failed(failure{
      errc::not_found,
      "no path from " + given.names[0] + " to " + given.names[1]
        + (found->hit == concepts::bound_hit::none
             ? ": there is none"
             : " within the bound of " + std::string{to_string(found->hit)}
                 + ": raise it to look further")});
  show_paths(ctx, *found, given.sentences);
  if (given.picture.empty())
    return std::nullopt;
  auto drawn = write_picture(given, *found);
  return drawn ? outcome{} : failed(drawn.error());
}

outcome run_neighbors(context& ctx, const query_given& given) {
  return ask_and_show(ctx, given, question_kind::neighbors, show_neighbors);
}

outcome run_spread(context& ctx, const query_given& given) {
  return ask_and_show(ctx, given, question_kind::spread, show_spread);
}

outcome run_search(context& ctx, const query_given& given) {
  auto by_text = !given.text.empty();
  if (by_text + !given.vector.empty() + !given.like.empty() != 1)
    return failed(failure{errc::bad_argument,
                          "search: expected a TEXT, --vector or --like"});
  if (by_text)
    return ask_and_show(ctx, given, question_kind::search_text, show_search);
  std::vector<float> vector;
  auto asked = given;
  if (given.like.empty()) {
    auto read = read_vector(given.vector);
    if (!read)
      return failed(read.error());
    vector = std::move(*read);
  } else {
    asked.names = {given.like};
  }
  auto found = ask(asked, question_kind::search_vector, 0, std::move(vector));
  if (!found)
    return failed(found.error());
  show_nearest(ctx, *found);
  return std::nullopt;
}

outcome run_subgraph(context& ctx, const query_given& given) {
  auto found = ask(given, question_kind::subgraph);
  if (!found)
    return failed(found.error());
  show_subgraph(ctx, *found);
  if (given.picture.empty())
    return std::nullopt;
  auto drawn = write_picture(given, *found);
  return drawn ? outcome{} : failed(drawn.error());
}

outcome run_show(context& ctx, const query_given& given) {
  return ask_and_show(ctx, given, question_kind::query_concept, show_search);
}

outcome run_digest(context& ctx, const query_given& given) {
  return ask_and_show(ctx, given, question_kind::digest, show_digest);
}

outcome run_stats(context& ctx, const query_given& given) {
  auto store = given.store.open(false);
  if (!store)
    return failed(store.error());
  auto report = (*store)->report();
  if (!report)
    return failed(report.error());
  show_memory(ctx, *report);
  return std::nullopt;
}

// --- changes of what is known

struct change_given {
  store_argument store;
  std::string name;
  std::string amount;
  expected<void> (*change)(concept_store&, const concept_id&, float) = nullptr;
};

outcome run_change(context& ctx, const change_given& given) {
  float amount = 0;
  if (!given.amount.empty()) {
    const auto* end = given.amount.data() + given.amount.size();
    auto read = std::from_chars(given.amount.data(), end, amount);
    if (read.ec != std::errc{} || read.ptr != end)
      return failed(failure{errc::bad_argument, config::quote(given.amount)
                                                  + ": expected a "
                                                    "number"});
  }
  auto store = given.store.open(false);
  if (!store)
    return failed(store.error());
  question known;
  known.names = {given.name};
  auto found = (*store)->ask(known);
  if (!found)
    return failed(found.error());
  for (const auto& done :
       {given.change(**store, found->concepts.front().id, amount),
        (*store)->settle(), (*store)->close()})
    if (!done)
      return failed(done.error());
  if (ctx.output == output_format::json)
    ctx.out << json{{"concept", given.name}}.dump(2) << '\n';
  return std::nullopt;
}

void add_change(CLI::App& concept_command, context& ctx,
                const std::string& name, const std::string& doc,
                const std::string& amount,
                expected<void> (*change)(concept_store&, const concept_id&,
                                         float)) {
  auto given = std::make_shared<change_given>();
  given->change = change;
  auto& command =
    add_subcommand(concept_command, ctx, given, name, doc, run_change);
  given->store.add_to(command);
  add_argument(command, "NAME", given->name, "Name of the concept");
  if (!amount.empty())
    add_argument(command, "AMOUNT", given->amount, amount);
}

void add_changes(CLI::App& concept_command, context& ctx) {
  add_change(concept_command, ctx, "strengthen", "Make a concept stronger",
             "What is added to its strength",
             [](concept_store& store, const concept_id& id, float amount) {
               return store.strengthen(id, amount);
             });
  add_change(concept_command, ctx, "decay", "Let a concept grow weaker",
             "What its strength is multiplied with, 0 to 1",
             [](concept_store& store, const concept_id& id, float factor) {
               return store.decay(id, factor);
             });
  add_change(concept_command, ctx, "forget",
             "Forget a concept and all its associations", "",
             [](concept_store& store, const concept_id& id, float) {
               return store.forget(id);
             });
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
    given->names.resize(2);
    add_argument(command, "FROM", given->names[0], "Name of the first concept");
    add_argument(command, "TO", given->names[1], "Name of the last one");
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
    "concept",
    "Concepts and associations in a folder or a node, and paths among them");
  command.require_subcommand(1);
  add_examples(command, {"neuroplex concept load wordnet",
                         "neuroplex concept path dog.n.01 cat.n.01",
                         "neuroplex concept spread dog.n.01 bone.n.01",
                         "neuroplex concept load wordnet --node "
                         "127.0.0.1:7400"});
  add_load_commands(command, ctx);
  add_path_commands(command, ctx);

  auto near = std::make_shared<query_given>();
  auto& neighbors =
    add_query(command, ctx, near, "neighbors",
              "Show what a concept is associated with", run_neighbors);
  near->names.resize(1);
  add_argument(neighbors, "NAME", near->names[0], "Name of the concept");
  add_walk(neighbors, *near);
  add_number(neighbors, "--limit", near->limit, 1,
             concepts::limits::max_results, "Most that are shown [20]");

  auto part = std::make_shared<query_given>();
  part->depth = 2;
  part->way = "any";
  auto& subgraph = add_query(
    command, ctx, part, "subgraph",
    "Show all that is near some concepts, and how it is joined", run_subgraph);
  subgraph.add_option("NAME", part->names, "Names of concepts")->required();
  add_walk(subgraph, *part);
  add_number(subgraph, "--limit", part->limit, 1, concepts::limits::max_results,
             "Most concepts [20]");
  add_text(subgraph, "--picture", part->picture,
           "Draw it: FILE.svg, else Graphviz");

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
  auto& search = add_query(
    command, ctx, prefix, "search",
    "Find concepts by how their content begins, or by vector", run_search);
  add_argument(search, "TEXT", prefix->text, "How the content begins", false);
  add_text(search, "--vector", prefix->vector,
           "Nearest to this vector: numbers between commas, or a file with a "
           "JSON array; - is standard input");
  add_text(search, "--like", prefix->like,
           "Nearest to the vector of the concept of this name");
  add_word(search, "--metric", prefix->metric, {"cosine", "l2"},
           "How near is told: by angle or by distance [cosine]");
  add_bounds(search, *prefix);
  add_number(search, "--limit", prefix->limit, 1, concepts::limits::max_results,
             "Most that are shown [20]");

  auto some = std::make_shared<query_given>();
  auto& show = add_query(command, ctx, some, "show",
                         "Show concepts, their strength and content", run_show);
  show.add_option("NAME", some->names, "Names of concepts")->required();
  add_changes(command, ctx);

  auto whole = std::make_shared<query_given>();
  auto& digest =
    add_query(command, ctx, whole, "digest",
              "Show digits that are the same for the same graph", run_digest);
  add_bounds(digest, *whole);

  auto all = std::make_shared<query_given>();
  add_query(command, ctx, all, "stats", "Show how much a store holds",
            run_stats);
}

} // namespace neuroplex::cli
