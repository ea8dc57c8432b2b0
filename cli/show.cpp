#include "cli/show.hpp"

#include "cli/facts.hpp"
#include "cli/terminal/table.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

// Entries that one page of a scan is asked for.
constexpr std::uint32_t page_entries = 256;

std::string line_text(byte_encoding encoding, std::string_view bytes) {
  return encoding == byte_encoding::text ? config::escape(bytes)
                                         : encode_bytes(encoding, bytes);
}

std::string yes_or_no(bool value) {
  return value ? "yes" : "no";
}

std::string bytes_or_none(std::uint64_t bytes) {
  return bytes == 0 ? "none" : human_bytes(bytes);
}

std::string lifetime_text(std::int64_t ms) {
  // Centuries are as good as for ever, and more than a count of nanoseconds.
  constexpr auto longest =
    std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::nanoseconds::max());
  return ms == 0
           ? "for ever"
           : human_duration(std::min(longest, std::chrono::milliseconds{ms}));
}

/// What sharing saves in a namespace or in all.
template <class Counts>
void add_shared(fact_list& facts, const Counts& counts) {
  if (counts.contents != 0)
    facts.add("shared", human_count(counts.shared_entries) + " of "
                          + human_bytes(counts.shared_bytes) + " as "
                          + human_count(counts.contents) + " in "
                          + human_bytes(counts.content_block_bytes));
}

json namespace_json(const memory::namespace_info& space) {
  json object{{"id", static_cast<unsigned>(space.id)}};
  put_bytes(object, "name", space.name);
  object["entries"] = space.entries;
  object["block_bytes"] = space.block_bytes;
  object["policy"] = to_string(space.settings.policy);
  object["order"] = space.order;
  object["priority"] = to_string(space.settings.priority);
  object["quota_bytes"] = space.settings.quota_bytes;
  object["default_ttl_ms"] = space.settings.default_ttl_ms;
  object["compression"] = to_string(space.settings.compression);
  object["share_from"] = space.settings.share_from;
  object["shared_entries"] = space.shared_entries;
  object["shared_bytes"] = space.shared_bytes;
  object["contents"] = space.contents;
  object["content_block_bytes"] = space.content_block_bytes;
  return object;
}

json namespaces_json(const std::vector<memory::namespace_info>& spaces) {
  auto list = json::array();
  for (auto& space : spaces)
    list.push_back(namespace_json(space));
  return list;
}

json segment_json(const memory::store_stats& s, std::uint64_t huge_page_bytes) {
  return {
    {"path", s.path},
    {"layout_version", s.layout_version},
    {"segment_bytes", s.segment_bytes},
    {"reserved_bytes", s.reserved_bytes},
    {"pool_bytes", s.pool_bytes},
    {"pool_used_bytes", s.pool_used_bytes},
    {"live_block_bytes", s.live_block_bytes},
    {"shared_entries", s.shared_entries},
    {"shared_bytes", s.shared_bytes},
    {"contents", s.contents},
    {"content_block_bytes", s.content_block_bytes},
    {"index_lines", s.index_lines},
    {"index_slots", s.index_slots},
    {"index_bytes", s.index_bytes},
    {"index_doublings", s.index_doublings},
    {"index_growing", s.index_growing},
    {"entries", s.entries},
    {"max_value_bytes", s.max_value_bytes},
    {"huge_page_bytes", huge_page_bytes},
    {"participants", s.participants},
    {"max_participants", s.max_participants},
    {"threads", s.threads},
    {"max_threads", s.max_threads},
    {"reads", s.reads},
    {"hits", s.hits},
    {"writes", s.writes},
    {"retries", s.retries},
    {"expired", s.expired},
    {"evicted", s.evicted},
    {"eviction_percent", s.eviction_percent},
    {"recoveries", s.recoveries},
    {"corrupt_reads", s.corrupt_reads},
    {"damage", s.damage},
    {"clean_shutdown", s.clean_shutdown},
  };
}

void print_namespaces(context& ctx,
                      const std::vector<memory::namespace_info>& spaces) {
  table rows{{{"namespace", table::align::left},
              {"id", table::align::right},
              {"entries", table::align::right},
              {"memory", table::align::right},
              {"policy", table::align::left},
              {"priority", table::align::left},
              {"quota", table::align::right},
              {"lifetime", table::align::right},
              {"compression", table::align::left},
              {"shared from", table::align::right}}};
  for (auto& space : spaces)
    rows.add_row({config::escape(space.name),
                  std::to_string(static_cast<unsigned>(space.id)),
                  human_count(space.entries), human_bytes(space.block_bytes),
                  std::string{to_string(space.settings.policy)},
                  std::string{to_string(space.settings.priority)},
                  bytes_or_none(space.settings.quota_bytes),
                  lifetime_text(space.settings.default_ttl_ms),
                  std::string{to_string(space.settings.compression)},
                  bytes_or_none(space.settings.share_from)});
  rows.print(ctx.out, ctx.terminal, 0);
}

json scanned_json(const scanned& each, bool with_values) {
  json object;
  put_bytes(object, "key", each.key);
  if (with_values)
    put_bytes(object, "value", each.value);
  object["value_bytes"] = each.value_bytes;
  object["expires_at_ms"] = each.expires_at_ms;
  return object;
}

} // namespace

void show_entry(context& ctx, const std::string& space, const std::string& key,
                const entry& found, byte_encoding encoding, bool exact) {
  if (ctx.output == output_format::text) {
    ctx.out << encode_bytes(encoding, found.value);
    if (!exact)
      ctx.out << '\n';
    return;
  }
  json object;
  put_bytes(object, "namespace", space);
  put_bytes(object, "key", key);
  put_bytes(object, "value", found.value);
  object["value_bytes"] = found.value.size();
  object["version"] = found.version;
  object["expires_at_ms"] = found.expires_at_ms;
  ctx.out << object.dump(2) << '\n';
}

namespace {

// Prints the entries of a scan as they come; nothing before the first page.
class scan_printer {
public:
  scan_printer(context& ctx, const scan_request& request)
    : ctx_{ctx}, request_{request} {
  }

  void show(const scanned& each) {
    if (!each.key.starts_with(request_.prefix))
      return;
    if (ctx_.output == output_format::json) {
      begin();
      ctx_.out << (shown_ == 0 ? "\n    " : ",\n    ")
               << scanned_json(each, request_.with_values).dump();
    } else {
      ctx_.out << line_text(request_.encoding, each.key);
      if (request_.with_values)
        ctx_.out << '\t' << line_text(request_.encoding, each.value);
      ctx_.out << '\n';
    }
    ++shown_;
  }

  void finish(const scan_progress& last) {
    if (ctx_.output == output_format::json) {
      begin();
      ctx_.out << (shown_ == 0 ? "],\n" : "\n  ],\n")
               << "  \"count\": " << shown_
               << ",\n  \"done\": " << (last.done ? "true" : "false")
               << ",\n  \"next\": \"" << (last.done ? "" : to_string(last.next))
               << "\"\n}\n";
    } else if (!last.done) {
      ctx_.out << "# more from: --from " << to_string(last.next) << '\n';
    }
  }

  [[nodiscard]] std::uint64_t shown() const noexcept {
    return shown_;
  }

private:
  void begin() {
    if (begun_)
      return;
    begun_ = true;
    json head;
    put_bytes(head, "namespace", request_.space);
    auto text = head.dump(2);
    ctx_.out << text.substr(0, text.size() - 2) << ",\n  \"entries\": [";
  }

  context& ctx_;
  const scan_request& request_;
  std::uint64_t shown_ = 0;
  bool begun_ = false;
};

} // namespace

outcome show_scan(context& ctx, target& source, const scan_request& request) {
  scan_printer printer{ctx, request};
  scan_progress last{request.from, false};
  do {
    auto count = page_entries;
    if (request.limit != 0)
      count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(count, request.limit - printer.shown()));
    auto page =
      source.scan(request.space, last.next, count, request.with_values,
                  [&printer](const scanned& each) { printer.show(each); });
    if (!page)
      return failed(page.error());
    last = *page;
  } while (!last.done && ctx.out
           && (request.limit == 0 || printer.shown() < request.limit));
  printer.finish(last);
  return std::nullopt;
}

std::string to_string(const scan_place& place) {
  return std::to_string(place.member) + ":" + std::to_string(place.cursor);
}

expected<scan_place> parse_scan_place(const std::string& text) {
  scan_place place;
  auto* end = text.data() + text.size();
  auto member = std::from_chars(text.data(), end, place.member);
  if (member.ec == std::errc{} && member.ptr != end && *member.ptr == ':') {
    auto cursor = std::from_chars(member.ptr + 1, end, place.cursor);
    if (cursor.ec == std::errc{} && cursor.ptr == end)
      return place;
  }
  return failure{errc::bad_argument, "the place that an earlier scan printed"};
}

void show_segment(context& ctx, const memory::store_stats& stats,
                  std::uint64_t huge_page_bytes,
                  const std::vector<memory::namespace_info>& spaces) {
  if (ctx.output == output_format::json) {
    ctx.out << json{{"segment", segment_json(stats, huge_page_bytes)},
                    {"namespaces", namespaces_json(spaces)}}
                 .dump(2)
            << '\n';
    return;
  }
  auto& s = stats;
  fact_list facts{ctx, "segment " + config::escape(s.path)};
  facts.add("layout", "version " + std::to_string(s.layout_version));
  facts.add("size", human_bytes(s.segment_bytes)
                      + (s.reserved_bytes > s.segment_bytes
                           ? ", may grow to " + human_bytes(s.reserved_bytes)
                           : ""));
  facts.add("entries",
            human_count(s.entries) + " in " + human_bytes(s.live_block_bytes));
  add_shared(facts, s);
  facts.add("pool", human_bytes(s.pool_used_bytes) + " of "
                      + human_bytes(s.pool_bytes) + " used ("
                      + percent_of(s.pool_used_bytes, s.pool_bytes) + ")");
  facts.add("index", human_count(s.index_lines, "line", "lines") + ", "
                       + percent_of(s.entries, s.index_slots) + " of "
                       + human_count(s.index_slots) + " slots filled, "
                       + human_count(s.index_doublings, "doubling", "doublings")
                       + (s.index_growing ? ", growing now" : ""));
  facts.add("largest value", human_bytes(s.max_value_bytes));
  facts.add("huge pages", human_bytes(huge_page_bytes));
  facts.add("attached", std::to_string(s.participants) + " of "
                          + std::to_string(s.max_participants) + " processes, "
                          + std::to_string(s.threads) + " of "
                          + std::to_string(s.max_threads) + " threads");
  facts.add("reads", human_count(s.reads) + ", " + percent_of(s.hits, s.reads)
                       + " hits");
  facts.add("writes", human_count(s.writes) + ", "
                        + human_count(s.retries, "retry", "retries") + ", "
                        + human_count(s.expired) + " expired, "
                        + human_count(s.evicted) + " evicted");
  facts.add("eviction",
            "from " + std::to_string(s.eviction_percent) + " % of the pool on");
  facts.add("recoveries", human_count(s.recoveries));
  facts.add("corrupt reads", human_count(s.corrupt_reads));
  facts.add("damage mended", human_count(s.damage));
  facts.add("clean shutdown", yes_or_no(s.clean_shutdown));
  ctx.out << '\n';
  print_namespaces(ctx, spaces);
}

void show_namespace(context& ctx, const memory::namespace_info& space) {
  if (ctx.output == output_format::json) {
    ctx.out << namespace_json(space).dump(2) << '\n';
    return;
  }
  fact_list facts{ctx, "namespace " + config::quote(space.name, 256)};
  facts.add("entries", human_count(space.entries) + " in "
                         + human_bytes(space.block_bytes));
  auto policy = std::string{to_string(space.settings.policy)};
  if (space.settings.policy == memory::policy_kind::adaptive)
    policy += ", now " + std::string{space.order};
  facts.add("policy", policy);
  facts.add("priority", to_string(space.settings.priority));
  facts.add("quota", bytes_or_none(space.settings.quota_bytes));
  facts.add("lifetime", lifetime_text(space.settings.default_ttl_ms));
  facts.add("compression", to_string(space.settings.compression));
  facts.add("shared from", bytes_or_none(space.settings.share_from));
  add_shared(facts, space);
}

void show_namespaces(context& ctx,
                     const std::vector<memory::namespace_info>& spaces) {
  if (ctx.output == output_format::json)
    ctx.out << json{{"namespaces", namespaces_json(spaces)}}.dump(2) << '\n';
  else
    print_namespaces(ctx, spaces);
}

} // namespace neuroplex::cli
