#include "actors/messages.hpp"

#include "actors/concept_messages.hpp"

#include "memory/limits.hpp"

#include <algorithm>

namespace neuroplex::actors {

namespace {

errc check_space(const std::string& space) {
  if (space.empty() || space.size() > limits::max_namespace_name_bytes)
    return errc::bad_namespace;
  return errc::ok;
}

errc check_key(const std::string& key) {
  if (key.empty())
    return errc::bad_key;
  if (key.size() > limits::max_key_bytes)
    return errc::key_size;
  return errc::ok;
}

errc check_value(const std::string& value) {
  return value.size() > limits::max_message_value_bytes ? errc::value_size
                                                        : errc::ok;
}

// 0 means no expiry, except where an expiry is the point of the operation.
errc check_ttl(std::int64_t ttl_ms, bool required) {
  if (ttl_ms < 0 || ttl_ms > limits::max_ttl_ms || (required && ttl_ms == 0))
    return errc::bad_ttl;
  return errc::ok;
}

errc first_failure(std::initializer_list<errc> codes) {
  for (auto code : codes)
    if (code != errc::ok)
      return code;
  return errc::ok;
}

bool in_range(operation op) {
  return static_cast<std::uint8_t>(op) < operation_count;
}

void settle(errc& status) {
  if (static_cast<std::uint8_t>(status) >= errc_count)
    status = errc::protocol;
}

} // namespace

expected<void> check(const request& what, const message_limits& most) {
  auto bytes = body_bytes(what);
  if (bytes <= most.message_bytes)
    return {};
  return failure{errc::value_size,
                 "limits.message_bytes: a request of " + std::to_string(bytes)
                   + " bytes: the node takes "
                   + std::to_string(most.message_bytes)
                   + ": raise it, or write through the segment"};
}

expected<void> check(const batch_request& what, const message_limits& most) {
  if (what.items.size() > most.batch_keys)
    return failure{errc::too_many, "limits.batch_keys: a batch of "
                                     + std::to_string(what.items.size())
                                     + " keys: the node takes "
                                     + std::to_string(most.batch_keys)
                                     + ": raise it, or send smaller batches"};
  auto bytes = body_bytes(what);
  if (bytes <= most.message_bytes)
    return {};
  return failure{errc::value_size, "limits.message_bytes: a batch of "
                                     + std::to_string(bytes)
                                     + " bytes: the node takes "
                                     + std::to_string(most.message_bytes)
                                     + ": raise it, or send smaller batches"};
}

errc check(const request& what) {
  if (!in_range(what.op))
    return errc::bad_argument;
  return first_failure(
    {check_space(what.space), check_key(what.key), check_value(what.value),
     check_value(what.expected),
     check_ttl(what.ttl_ms, what.op == operation::expire),
     what.keep_ttl && what.ttl_ms != 0 ? errc::bad_ttl : errc::ok});
}

errc check(const batch_request& what) {
  switch (what.op) {
    case operation::get:
    case operation::set:
    case operation::set_if_absent:
    case operation::erase:
      break;
    default:
      return errc::bad_argument;
  }
  if (what.items.size() > limits::max_batch_items)
    return errc::too_many;
  if (body_bytes(what) > limits::max_batch_bytes
                           + limits::max_message_value_bytes
                           + limits::max_key_bytes)
    return errc::value_size;
  return check_space(what.space);
}

errc check(const scan_request& what) {
  if (what.entries == 0 || what.entries > limits::max_scan_entries)
    return errc::bad_argument;
  return check_space(what.space);
}

errc check(const watch_request& what) {
  if (what.max_changes == 0 || what.max_changes > limits::max_scan_entries
      || what.prefix.size() > limits::max_key_bytes)
    return errc::bad_argument;
  return check_space(what.space);
}

errc check(const space_request& what) {
  if (static_cast<std::uint8_t>(what.op) >= space_operation_count)
    return errc::bad_argument;
  return check_space(what.space);
}

errc check_item(operation op, const batch_item& item) {
  return first_failure({check_key(item.key), check_value(item.value),
                        check_ttl(item.ttl_ms, op == operation::expire)});
}

void settle(reply& answer) {
  settle(answer.status);
}

void settle(batch_reply& answer) {
  settle(answer.status);
  for (auto& item : answer.answers)
    settle(item.status);
}

void settle(scan_page& answer) {
  settle(answer.status);
}

void settle(lesson_receipt& answer) {
  settle(answer.status);
}

std::size_t body_bytes(const request& what) {
  return what.space.size() + what.key.size() + what.value.size()
         + what.expected.size();
}

std::size_t body_bytes(const batch_request& what) {
  auto bytes = what.space.size();
  for (const auto& item : what.items)
    bytes +=
      item.key.size() + item.value.size() + limits::batch_item_overhead_bytes;
  return bytes;
}

} // namespace neuroplex::actors
