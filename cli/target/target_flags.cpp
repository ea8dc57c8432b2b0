#include "cli/target/target_flags.hpp"

#include "cli/flags.hpp"
#include "cli/target/node_target.hpp"
#include "cli/target/segment_target.hpp"
#include "config/settings.hpp"

#include <CLI/CLI.hpp>

namespace neuroplex::cli {

namespace {

constexpr std::uint64_t max_timeout_ms = 600'000;

} // namespace

expected<void> parse_address(const std::string& text, std::string& host,
                             std::uint16_t& port) {
  // An address is a peer without its id.
  auto peer = config::parse_peer("1@" + text);
  if (!peer)
    return failure{errc::bad_argument, "HOST:PORT with a port of 1 to 65535"};
  host = peer->host;
  port = peer->port;
  return {};
}

void target_flags::add_to(CLI::App& app) {
  add_flag(app, "--node",
           "Node to ask [" + std::string{default_node_address} + "]",
           problem::range,
           [this](const std::string& text) -> expected<void> {
             std::string host;
             std::uint16_t port = 0;
             node_ = text;
             node_given_ = true;
             return parse_address(text, host, port);
           })
    ->type_name("HOST:PORT");
  add_text(app, "--segment", segment_,
           "Segment file to use directly instead of a node, or its data "
           "directory")
    ->type_name("FILE");
  add_flag(app, "--namespace", "Namespace [default]", problem::range,
           [this](const std::string& text) -> expected<void> {
             if (text.empty() || text.size() > limits::max_namespace_name_bytes)
               return failure{errc::bad_argument, "a name of 1 to 255 bytes"};
             space_ = text;
             return {};
           })
    ->type_name("NAME");
  add_duration(app, "--timeout", timeout_ms_, 1, max_timeout_ms,
               "How long to wait for a node [2000 ms]");
}

void target_flags::add_create_to(CLI::App& app) {
  add_size(app, "--create", create_bytes_, limits::min_segment_bytes,
           limits::max_segment_bytes,
           "Make the segment with this size when it is not there");
}

void target_flags::add_encoding_to(CLI::App& app) {
  add_flag(app, "--encoding", "How keys and values are written [text]",
           problem::range,
           [this](const std::string& text) -> expected<void> {
             if (text == "text")
               encoding_ = byte_encoding::text;
             else if (text == "hex")
               encoding_ = byte_encoding::hex;
             else if (text == "base64")
               encoding_ = byte_encoding::base64;
             else
               return failure{errc::bad_argument, "text|hex|base64"};
             return {};
           })
    ->type_name("text|hex|base64");
}

outcome target_flags::decode(const std::string& name, const std::string& text,
                             std::string& bytes) const {
  auto decoded = decode_bytes(encoding_, text);
  if (!decoded)
    return diagnostic{problem::key_bytes, name + ": " + config::quote(text)
                                            + ": expected "
                                            + decoded.error().message()};
  bytes = std::move(*decoded);
  return std::nullopt;
}

expected<std::unique_ptr<target>>
target_flags::open(memory::access_mode mode) const {
  if (!segment_.empty() && node_given_)
    return failure{errc::bad_argument,
                   "--node and --segment: both given: expected one"};
  if (create_bytes_ != 0 && segment_.empty())
    return failure{errc::bad_argument,
                   "--create: without --segment: expected --segment FILE"};
  if (create_bytes_ != 0) {
    memory::segment_options options;
    options.segment_bytes = create_bytes_;
    auto made = memory::store::open_or_create(segment_, options);
    if (!made)
      return made.error();
  }
  if (!segment_.empty())
    return open_segment_target(segment_, mode);
  return open_node_target(node_, std::chrono::milliseconds{timeout_ms_});
}

} // namespace neuroplex::cli
