// Printing what commands found, as text and as JSON.
#pragma once

#include "cli/byte_text.hpp"
#include "cli/context.hpp"
#include "cli/target/target.hpp"
#include "memory/store.hpp"

#include <span>
#include <string>
#include <vector>

namespace neuroplex::cli {

/// One entry: the value alone as text, or all that is known as JSON. As text
/// the value ends with a line end unless `exact`.
void show_entry(context& ctx, const std::string& space, const std::string& key,
                const entry& found, byte_encoding encoding, bool exact);

struct scan_request {
  std::string space = "default";
  std::string prefix;      ///< only keys that begin so
  std::uint64_t limit = 0; ///< stop after about so many entries; 0: all
  scan_place from;         ///< where to begin
  bool with_values = true;
  byte_encoding encoding = byte_encoding::text;
};

/// Shows the entries of a target page by page.
[[nodiscard]] outcome show_scan(context& ctx, target& source,
                                const scan_request& request);

/// "MEMBER:CURSOR" and back.
[[nodiscard]] std::string to_string(const scan_place& place);
[[nodiscard]] expected<scan_place> parse_scan_place(const std::string& text);

/// The state of a segment.
void show_segment(context& ctx, const memory::store_stats& stats,
                  std::uint64_t huge_page_bytes,
                  const std::vector<memory::namespace_info>& spaces);

/// One namespace.
void show_namespace(context& ctx, const memory::namespace_info& space);

/// The namespaces of a segment.
void show_namespaces(context& ctx,
                     const std::vector<memory::namespace_info>& spaces);

} // namespace neuroplex::cli
