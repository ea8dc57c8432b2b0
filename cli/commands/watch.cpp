#include "cli/commands/watch.hpp"

#include "cli/byte_text.hpp"
#include "cli/flags.hpp"
#include "cli/target/node_client.hpp"
#include "cli/target/target_flags.hpp"
#include "cli/terminal/interrupt.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

// How long a node may wait before it answers that nothing is new, and so how
// long Ctrl-C takes at the most.
constexpr std::chrono::milliseconds patience{1'000};

struct watch_arguments {
  std::string node{default_node_address};
  std::string space = "default";
  std::string prefix;
  std::uint64_t count = 0; ///< 0: until interrupted
};

std::string_view name_of(actors::watch_event what) {
  switch (what) {
    case actors::watch_event::set:
      return "set";
    case actors::watch_event::erase:
      return "erase";
    case actors::watch_event::expire:
      return "expire";
  }
  return "?";
}

// A line for a person, or an object for a program.
void show(context& ctx, const actors::watched_entry& what) {
  if (ctx.output == output_format::text) {
    ctx.out << name_of(what.event) << ' ' << config::escape(what.key);
    if (what.event == actors::watch_event::set)
      ctx.out << ' '
              << (what.value_omitted ? "(long)" : config::escape(what.value));
    ctx.out << std::endl;
    return;
  }
  json object{{"event", name_of(what.event)}};
  put_bytes(object, "key", what.key);
  if (what.event == actors::watch_event::set && !what.value_omitted)
    put_bytes(object, "value", what.value);
  if (what.value_omitted)
    object["value_omitted"] = true;
  object["group"] = what.group;
  object["index"] = what.index;
  ctx.out << object.dump() << std::endl;
}

// Changes after this are shown.
void show_begin(context& ctx, const watch_arguments& given) {
  if (ctx.output == output_format::text)
    ctx.out << "watching namespace " << config::quote(given.space)
            << "; Ctrl-C ends it" << std::endl;
  else
    ctx.out << R"({"event":"watching"})" << std::endl;
}

void show_gap(context& ctx) {
  if (ctx.output == output_format::text)
    ctx.out << "gap: more has changed than this node remembers: read the "
               "entries anew"
            << std::endl;
  else
    ctx.out << R"({"event":"gap"})" << std::endl;
}

outcome run_watch(context& ctx, const watch_arguments& given) {
  auto client = connect_to_node(given.node, patience);
  if (!client)
    return failed(client.error());
  interrupt_guard interrupts;
  actors::watch_mark mark;
  std::uint64_t shown = 0;
  while (ctx.out && !interrupt_guard::requested()
         && (given.count == 0 || shown < given.count)) {
    auto answer = client->watch(given.space, given.prefix, mark);
    if (!answer && answer.code() == errc::bad_argument)
      return failed(
        {errc::bad_argument, "namespace " + config::quote(given.space)
                               + " of node " + given.node
                               + " is not agreed on by Raft: give it "
                                 "consistency=linearizable"});
    if (!answer)
      return failed(answer.error());
    if (mark.seen.empty())
      show_begin(ctx, given);
    mark = std::move(answer->next);
    if (answer->gap)
      show_gap(ctx);
    for (const auto& one : answer->changes) {
      if (given.count != 0 && shown == given.count)
        break;
      show(ctx, one);
      ++shown;
    }
  }
  return std::nullopt;
}

} // namespace

void add_watch(CLI::App& app, context& ctx) {
  auto given = std::make_shared<watch_arguments>();
  auto& command =
    add_subcommand(app, ctx, given, "watch",
                   "Print what changes in a namespace that nodes agree on, as "
                   "it changes",
                   run_watch);
  add_text(command, "--prefix", given->prefix, "Only keys that begin so");
  add_text(command, "--namespace", given->space,
           "Namespace, which is agreed on [default]");
  add_number(command, "--count", given->count, 1, ~std::uint64_t{0},
             "End after so many changes [never]");
  add_text(command, "--node", given->node,
           "Any node of the cluster [" + given->node + "]")
    ->type_name("HOST:PORT");
  add_examples(command, {"neuroplex watch --prefix user/",
                         "neuroplex watch --count 1 --output json"});
}

} // namespace neuroplex::cli
