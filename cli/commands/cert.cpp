#include "cli/commands/cert.hpp"

#include "actors/tunnel/certificates.hpp"
#include "cli/facts.hpp"
#include "cli/flags.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

constexpr std::uint64_t max_days = 36'500;

struct cert_arguments {
  std::string directory;
  std::string authority;
  std::string cluster = "neuroplex";
  std::string key = "ed25519";
  std::string file;
  std::uint64_t replica_id = 0;
  std::uint64_t authority_days =
    static_cast<std::uint64_t>(tunnel::limits::authority_validity_days);
  std::uint64_t node_days =
    static_cast<std::uint64_t>(tunnel::limits::node_validity_days);
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  bool force = false;
};

tunnel::key_kind key_of(const cert_arguments& given) {
  return given.key == "p256" ? tunnel::key_kind::p256
                             : tunnel::key_kind::ed25519;
}

outcome show_files(context& ctx,
                   const expected<tunnel::certificate_files>& made) {
  if (!made)
    return failed(made.error());
  if (ctx.output == output_format::json)
    ctx.out << json{{"certificate_file", made->certificate_file.string()},
                    {"key_file", made->key_file.string()}}
                 .dump(2)
            << '\n';
  else
    ctx.out << "certificate  "
            << config::escape(made->certificate_file.string())
            << "\nkey          " << config::escape(made->key_file.string())
            << "  (mode 0600; keep it secret)\n";
  return std::nullopt;
}

outcome run_ca(context& ctx, const cert_arguments& given) {
  return show_files(ctx,
                    tunnel::create_authority(
                      {.directory = given.directory,
                       .cluster = given.cluster,
                       .key = key_of(given),
                       .validity_days = static_cast<int>(given.authority_days),
                       .force = given.force}));
}

outcome run_node(context& ctx, const cert_arguments& given) {
  if (given.replica_id == 0)
    return diagnostic{problem::use, "--replica-id: missing: expected the "
                                    "node's number, 1 to 4294967295"};
  auto authority = given.authority.empty() ? given.directory : given.authority;
  std::filesystem::path from{authority};
  return show_files(ctx,
                    tunnel::issue_node_certificate(
                      {.authority_certificate_file = from / "ca.pem",
                       .authority_key_file = from / "ca.key",
                       .directory = given.directory,
                       .id = static_cast<tunnel::replica_id>(given.replica_id),
                       .dns_names = given.dns_names,
                       .ip_addresses = given.ip_addresses,
                       .key = key_of(given),
                       .validity_days = static_cast<int>(given.node_days),
                       .force = given.force}));
}

outcome run_show(context& ctx, const cert_arguments& given) {
  auto facts = tunnel::inspect_certificate(given.file);
  if (!facts)
    return failed(facts.error());
  if (ctx.output == output_format::json) {
    ctx.out << json{{"replica_id", facts->id ? json(*facts->id) : json()},
                    {"authority", facts->authority},
                    {"subject", facts->subject},
                    {"issuer", facts->issuer},
                    {"serial", facts->serial},
                    {"key", facts->key},
                    {"not_before", facts->not_before},
                    {"not_after", facts->not_after},
                    {"seconds_left", facts->seconds_left},
                    {"alternative_names", facts->alternative_names},
                    {"sha256", facts->sha256}}
                 .dump(2)
            << '\n';
    return std::nullopt;
  }
  constexpr std::int64_t day_seconds = 86'400;
  fact_list list{ctx, config::escape(given.file)};
  list.add("is", facts->authority ? "an authority"
                 : facts->id
                   ? "node with replica id " + std::to_string(*facts->id)
                   : "a certificate that names no replica");
  list.add("subject", config::escape(facts->subject));
  list.add("issuer", config::escape(facts->issuer));
  list.add("key", facts->key);
  list.add("valid", facts->not_before + " to " + facts->not_after);
  list.add("days left", std::to_string(facts->seconds_left / day_seconds));
  for (auto& name : facts->alternative_names)
    list.add("name", config::escape(name));
  list.add("sha256", facts->sha256);
  return std::nullopt;
}

void add_making_flags(CLI::App& part,
                      const std::shared_ptr<cert_arguments>& given,
                      std::uint64_t& days) {
  add_text(part, "--out", given->directory, "Existing directory to write to")
    ->type_name("DIR")
    ->required();
  add_word(part, "--key", given->key, {"ed25519", "p256"},
           "Kind of the key [ed25519]");
  add_number(part, "--days", days, 1, max_days,
             "Days of validity [" + std::to_string(days) + "]");
  add_switch(part, "--force", given->force, "Replace files that are there");
}

} // namespace

void add_cert(CLI::App& app, context& ctx) {
  auto& command = *app.add_subcommand(
    "cert", "Make the certificates that nodes of several hosts know each "
            "other by");
  add_examples(command, {"neuroplex cert ca --out certs",
                         "neuroplex cert node --out certs --replica-id 1",
                         "neuroplex cert show certs/replica-1.pem"});

  auto given = std::make_shared<cert_arguments>();
  auto& authority = add_subcommand(command, ctx, given, "ca",
                                   "Make the cluster's authority", run_ca);
  add_making_flags(authority, given, given->authority_days);
  add_text(authority, "--cluster", given->cluster,
           "Name of the cluster, the subject [neuroplex]")
    ->type_name("NAME");
  add_examples(authority, {"mkdir -m 700 certs && neuroplex cert ca --out "
                           "certs --cluster production"});

  auto& node = add_subcommand(
    command, ctx, given, "node",
    "Make a node's key and have the authority sign it", run_node);
  add_making_flags(node, given, given->node_days);
  add_number(node, "--replica-id", given->replica_id, 1, 0xffff'ffff,
             "The node's number");
  add_text(node, "--ca", given->authority,
           "Directory of ca.pem and ca.key [that of --out]")
    ->type_name("DIR");
  node.add_option("--dns", given->dns_names, "Further host names")
    ->type_name("NAME")
    ->allow_extra_args(false);
  node.add_option("--ip", given->ip_addresses, "Further addresses")
    ->type_name("ADDRESS")
    ->allow_extra_args(false);
  add_examples(node, {"neuroplex cert node --out certs --replica-id 1",
                      "neuroplex cert node --ca certs --out host-2 "
                      "--replica-id 2"});

  auto& show = add_subcommand(command, ctx, given, "show",
                              "Tell what a certificate says", run_show);
  add_argument(show, "FILE", given->file, "A PEM file");
  add_examples(show, {"neuroplex cert show certs/replica-1.pem"});
}

} // namespace neuroplex::cli
