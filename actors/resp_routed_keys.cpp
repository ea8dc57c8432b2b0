#include "actors/resp_routed_keys.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::actors {

namespace {

// A position among all other nodes is the member above the position there,
// which has 32 bits.
constexpr int member_shift = 32;
constexpr std::uint64_t position_mask = (std::uint64_t{1} << member_shift) - 1;

memory::entry_info info_of(const reply& answer, std::size_t value_bytes) {
  memory::entry_info result;
  result.version = memory::version_token{answer.version};
  result.expires_at_ms = answer.expires_at_ms;
  result.value_bytes = static_cast<std::uint32_t>(value_bytes);
  result.block_bytes = result.value_bytes;
  return result;
}

} // namespace

resp_routed_keys::resp_routed_keys(client way, memory::store& segment,
                                   std::uint32_t self,
                                   std::uint32_t member_count)
  : way_{std::move(way)}, segment_{&segment}, self_{self}, member_count_{
                                                             member_count} {
}

void resp_routed_keys::use_space(std::string name) {
  space_ = std::move(name);
}

request resp_routed_keys::about(operation op, std::string_view key) const {
  request what;
  what.op = op;
  what.space = space_;
  what.key = key;
  return what;
}

errc resp_routed_keys::get(std::string_view key, std::string& value,
                           memory::entry_info* info) {
  auto answer = way_.apply(about(operation::get, key));
  if (answer.status != errc::ok)
    return answer.status;
  value = std::move(answer.value);
  if (info != nullptr)
    *info = info_of(answer, value.size());
  return errc::ok;
}

errc resp_routed_keys::info(std::string_view key, memory::entry_info& result) {
  auto answer = way_.apply(about(operation::info, key));
  if (answer.status == errc::ok)
    result = info_of(answer, static_cast<std::size_t>(answer.number));
  return answer.status;
}

errc resp_routed_keys::store_by(operation op, std::string_view key,
                                std::string_view value,
                                const memory::set_options& options) {
  auto what = about(op, key);
  what.value = value;
  what.ttl_ms = options.ttl_ms;
  what.keep_ttl = options.keep_ttl;
  return way_.apply(std::move(what)).status;
}

errc resp_routed_keys::set(std::string_view key, std::string_view value,
                           const memory::set_options& options) {
  return store_by(operation::set, key, value, options);
}

errc resp_routed_keys::set_if_absent(std::string_view key,
                                     std::string_view value,
                                     const memory::set_options& options) {
  return store_by(operation::set_if_absent, key, value, options);
}

errc resp_routed_keys::set_if_present(std::string_view key,
                                      std::string_view value,
                                      const memory::set_options& options) {
  return store_by(operation::set_if_present, key, value, options);
}

errc resp_routed_keys::exchange(std::string_view key, std::string_view value,
                                std::string& previous, bool& had_previous,
                                const memory::set_options& options) {
  auto what = about(operation::exchange, key);
  what.value = value;
  what.ttl_ms = options.ttl_ms;
  what.keep_ttl = options.keep_ttl;
  auto answer = way_.apply(std::move(what));
  had_previous = answer.status == errc::ok && answer.found;
  if (had_previous)
    previous = std::move(answer.value);
  return answer.status;
}

errc resp_routed_keys::compare_and_swap(std::string_view key,
                                        memory::version_token expected,
                                        std::string_view desired,
                                        const memory::set_options& options) {
  auto what = about(operation::compare_and_swap, key);
  what.value = desired;
  what.version = static_cast<std::uint64_t>(expected);
  what.ttl_ms = options.ttl_ms;
  what.keep_ttl = options.keep_ttl;
  return way_.apply(std::move(what)).status;
}

errc resp_routed_keys::increment(std::string_view key, std::int64_t delta,
                                 std::int64_t& result) {
  auto what = about(operation::increment, key);
  what.delta = delta;
  auto answer = way_.apply(std::move(what));
  result = answer.number;
  return answer.status;
}

errc resp_routed_keys::append(std::string_view key, std::string_view suffix,
                              std::size_t& value_bytes) {
  auto what = about(operation::append, key);
  what.value = suffix;
  auto answer = way_.apply(std::move(what));
  value_bytes = static_cast<std::size_t>(answer.number);
  return answer.status;
}

errc resp_routed_keys::erase(std::string_view key) {
  return way_.apply(about(operation::erase, key)).status;
}

errc resp_routed_keys::take(std::string_view key, std::string& value) {
  auto answer = way_.apply(about(operation::take, key));
  if (answer.status == errc::ok)
    value = std::move(answer.value);
  return answer.status;
}

errc resp_routed_keys::expire(std::string_view key, std::int64_t ttl_ms) {
  auto what = about(operation::expire, key);
  what.ttl_ms = ttl_ms;
  return way_.apply(std::move(what)).status;
}

errc resp_routed_keys::persist(std::string_view key) {
  return way_.apply(about(operation::persist, key)).status;
}

void resp_routed_keys::get_many(std::span<memory::get_request> requests) {
  // Each request carries its own answer; the summary adds nothing.
  static_cast<void>(way_.get_many(space_, requests));
}

void resp_routed_keys::set_many(std::span<memory::set_request> requests) {
  static_cast<void>(way_.set_many(space_, requests));
}

errc resp_routed_keys::scan(
  memory::scan_cursor& cursor, std::size_t count,
  const std::function<void(const memory::scan_entry&)>& visit) {
  scan_request what;
  what.space = space_;
  what.with_values = false;
  what.entries = static_cast<std::uint32_t>(
    std::clamp<std::size_t>(count, 1, limits::max_scan_entries));
  what.from.member =
    static_cast<std::uint32_t>(cursor.position >> member_shift);
  what.from.cursor = cursor.position & position_mask;
  constexpr auto end = ~std::uint64_t{0};
  if (what.from.member == self_)
    what.from = {self_ + 1, 0};
  if (what.from.member >= member_count_) {
    cursor.position = end;
    return errc::ok;
  }
  auto page = way_.read_page(std::move(what));
  if (page.status != errc::ok)
    return page.status;
  for (const auto& entry : page.entries)
    visit({entry.key, entry.value, {}});
  auto next = page.next;
  if (next.member == self_)
    next = {self_ + 1, 0};
  auto done = page.done || next.member >= member_count_;
  cursor.position =
    done ? end : (std::uint64_t{next.member} << member_shift) | next.cursor;
  return errc::ok;
}

errc resp_routed_keys::count(std::uint64_t& entries) {
  auto all = way_.count(space_);
  if (!all)
    return all.code();
  entries = *all;
  for (const auto& known : segment_->namespaces())
    if (known.name == space_)
      entries -= std::min(entries, known.entries);
  return errc::ok;
}

errc resp_routed_keys::clear() {
  return way_.clear(space_).code();
}

} // namespace neuroplex::actors
