#include "cli/commands/namespace.hpp"

#include "cli/flags.hpp"
#include "cli/show.hpp"
#include "cli/target/segment_target.hpp"
#include "config/nearest.hpp"
#include "config/node_options.hpp"
#include "memory/store_policies.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

namespace neuroplex::cli {

namespace {

using memory::access_mode;
using memory::namespace_info;

struct namespace_arguments {
  std::string segment = config::node_options{}.segment_path();
  std::string name;
  std::string policy;   // empty: as it is
  std::string priority; // the same
  std::string compression;
  std::uint64_t quota_bytes = 0;
  std::uint64_t ttl_ms = 0;
  std::uint64_t share_from = 0;
  bool create = false;
  CLI::Option* quota_flag = nullptr;
  CLI::Option* ttl_flag = nullptr;
  CLI::Option* share_flag = nullptr;
};

failure unknown(const std::string& name,
                const std::vector<namespace_info>& spaces) {
  std::vector<std::string_view> names;
  names.reserve(spaces.size());
  for (const auto& space : spaces)
    names.push_back(space.name);
  auto near = config::nearest(name, names);
  return {errc::not_found,
          "namespace: " + config::quote(name, 256) + ": there is none: "
            + (near.empty() ? "\"neuroplex namespace list\" shows those that "
                              "there are"
                            : "did you mean " + config::quote(near) + "?")};
}

expected<namespace_info> find(const memory::store& data,
                              const std::string& name) {
  auto spaces = data.namespaces();
  auto found =
    std::find_if(spaces.begin(), spaces.end(),
                 [&name](const auto& space) { return space.name == name; });
  if (found == spaces.end())
    return unknown(name, spaces);
  return std::move(*found);
}

outcome run_list(context& ctx, const namespace_arguments& given) {
  auto data = open_segment(given.segment, access_mode::read_only);
  if (!data)
    return failed(data.error());
  show_namespaces(ctx, data->namespaces());
  return std::nullopt;
}

outcome run_show(context& ctx, const namespace_arguments& given) {
  auto data = open_segment(given.segment, access_mode::read_only);
  if (!data)
    return failed(data.error());
  auto found = find(*data, given.name);
  if (!found)
    return failed(found.error());
  show_namespace(ctx, *found);
  return std::nullopt;
}

// What the flags change, and nothing else.
memory::namespace_settings changed(memory::namespace_settings settings,
                                   const namespace_arguments& given) {
  if (auto policy = memory::parse_policy_kind(given.policy))
    settings.policy = *policy;
  if (auto priority = memory::parse_priority_class(given.priority))
    settings.priority = *priority;
  if (auto mode = memory::parse_compression_mode(given.compression))
    settings.compression = *mode;
  if (given.quota_flag->count() > 0)
    settings.quota_bytes = given.quota_bytes;
  if (given.ttl_flag->count() > 0)
    settings.default_ttl_ms = static_cast<std::int64_t>(given.ttl_ms);
  if (given.share_flag->count() > 0)
    settings.share_from = static_cast<std::uint32_t>(given.share_from);
  return settings;
}

outcome run_set(context& ctx, const namespace_arguments& given) {
  auto data = open_segment(given.segment, access_mode::read_write);
  if (!data)
    return failed(data.error());
  if (given.create)
    if (auto made = data->open_namespace(given.name); !made)
      return failed(made.error());
  auto found = find(*data, given.name);
  if (!found)
    return failed(found.error());
  found->settings = changed(found->settings, given);
  if (auto done = data->configure(found->id, found->settings); !done)
    return failed(done.error());
  found = find(*data, given.name);
  if (!found)
    return failed(found.error());
  show_namespace(ctx, *found);
  return std::nullopt;
}

void add_segment(CLI::App& app, namespace_arguments& given) {
  add_text(app, "--segment", given.segment,
           "The segment, or the data directory that holds it [" + given.segment
             + "]")
    ->type_name("FILE");
}

} // namespace

void add_namespace(CLI::App& app, context& ctx) {
  auto given = std::make_shared<namespace_arguments>();
  auto& command = *app.add_subcommand(
    "namespace",
    "Show and change what namespaces of a segment do when memory is short");
  command.require_subcommand(1);
  add_examples(command, {"neuroplex namespace list",
                         "neuroplex namespace set cache --policy lru "
                         "--quota 64M",
                         "neuroplex namespace show cache --output json"});

  auto& list =
    add_subcommand(command, ctx, given, "list",
                   "List the namespaces with their settings", run_list);
  add_segment(list, *given);
  add_examples(list, {"neuroplex namespace list --segment "
                      "/var/lib/neuroplex"});

  auto& show =
    add_subcommand(command, ctx, given, "show", "Show one namespace", run_show);
  add_argument(show, "NAME", given->name, "The namespace");
  add_segment(show, *given);
  add_examples(show, {"neuroplex namespace show default"});

  auto& set = add_subcommand(
    command, ctx, given, "set",
    "Change settings; they take effect at once, in all processes", run_set);
  add_argument(set, "NAME", given->name, "The namespace");
  add_segment(set, *given);
  add_word(set, "--policy", given->policy, memory::store_policy_names,
           "Which entries are given up to make room");
  add_word(set, "--priority", given->priority,
           {"general", "training", "inference", "critical"},
           "Lower classes give entries up before higher ones");
  given->quota_flag =
    add_size(set, "--quota", given->quota_bytes, 0, limits::max_segment_bytes,
             "Pool memory that its entries may take; 0: no quota");
  given->ttl_flag =
    add_duration(set, "--ttl", given->ttl_ms, 0,
                 static_cast<std::uint64_t>(limits::max_ttl_ms),
                 "Lifetime of entries stored without one; 0: for ever");
  add_word(set, "--compression", given->compression, {"off", "adaptive"},
           "Whether values are compressed where that saves memory; what is "
           "stored already stays as it is");
  given->share_flag =
    add_size(set, "--share-from", given->share_from, 0, limits::max_value_bytes,
             "Values at least this long, from 128 bytes on, are stored once, "
             "however many entries hold them; 0: none");
  add_switch(set, "--create", given->create, "Make it if there is none");
  add_examples(set, {"neuroplex namespace set cache --policy lru --quota 64M",
                     "neuroplex namespace set sessions --create --ttl 30m",
                     "neuroplex namespace set weights --priority critical"});
}

} // namespace neuroplex::cli
