// The keys a command works on: the segment itself, or the rest of the cluster.
//
// Purpose: lets one handler serve both. On the local path every call is the
// store's own behind one predictable branch; the routed path is for the threads
// that wait for other nodes.
//
// Ownership: refers to a store and, on the routed path, to `routed_keys`; both
// outlive it. Threads: as the store; a routed one belongs to its thread.
#pragma once

#include "memory/status.hpp"
#include "memory/store.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::resp {

/// The operations of memory::store on keys of other nodes; each may block for
/// a request's time. Codes are the store's, and `unavailable`,
/// `unknown_outcome`, `busy`. The namespace is that of the command under way.
class routed_keys {
public:
  using store = memory::store;

  virtual ~routed_keys() = default;

  /// The namespace that the following calls mean.
  virtual void use_space(std::string name) = 0;

  virtual errc get(std::string_view key, std::string& value,
                   memory::entry_info* info) = 0;
  virtual errc info(std::string_view key, memory::entry_info& result) = 0;
  virtual errc set(std::string_view key, std::string_view value,
                   const memory::set_options& options) = 0;
  virtual errc set_if_absent(std::string_view key, std::string_view value,
                             const memory::set_options& options) = 0;
  virtual errc set_if_present(std::string_view key, std::string_view value,
                              const memory::set_options& options) = 0;
  virtual errc exchange(std::string_view key, std::string_view value,
                        std::string& previous, bool& had_previous,
                        const memory::set_options& options) = 0;
  virtual errc compare_and_swap(std::string_view key,
                                memory::version_token expected,
                                std::string_view desired,
                                const memory::set_options& options) = 0;
  virtual errc increment(std::string_view key, std::int64_t delta,
                         std::int64_t& result) = 0;
  virtual errc append(std::string_view key, std::string_view suffix,
                      std::size_t& value_bytes) = 0;
  virtual errc erase(std::string_view key) = 0;
  virtual errc take(std::string_view key, std::string& value) = 0;
  virtual errc expire(std::string_view key, std::int64_t ttl_ms) = 0;
  virtual errc persist(std::string_view key) = 0;
  virtual void get_many(std::span<memory::get_request> requests) = 0;
  virtual void set_many(std::span<memory::set_request> requests) = 0;

  /// Over all other nodes, one after the other.
  virtual errc
  scan(memory::scan_cursor& cursor, std::size_t count,
       const std::function<void(const memory::scan_entry&)>& visit) = 0;

  /// Entries on all other nodes.
  virtual errc count(std::uint64_t& entries) = 0;
  virtual errc clear() = 0;
};

class key_space {
public:
  using space_id = memory::namespace_id;

  explicit key_space(memory::store& local, routed_keys* routed = nullptr)
    : local_{&local}, routed_{routed} {
  }

  /// The segment of this node, for what is not about keys.
  [[nodiscard]] memory::store& segment() noexcept {
    return *local_;
  }

  [[nodiscard]] routed_keys* routed() noexcept {
    return routed_;
  }

  errc get(space_id space, std::string_view key, std::string& value,
           memory::entry_info* info = nullptr) {
    return is_local() ? local_->get(space, key, value, info)
                      : routed_->get(key, value, info);
  }

  /// `value_size` with the bytes needed when the buffer is too short.
  errc get(space_id space, std::string_view key, std::span<char> buffer,
           std::size_t& value_bytes) {
    return is_local() ? local_->get(space, key, buffer, value_bytes)
                      : get_routed(key, buffer, value_bytes);
  }

  errc info(space_id space, std::string_view key, memory::entry_info& result) {
    return is_local() ? local_->info(space, key, result)
                      : routed_->info(key, result);
  }

  errc set(space_id space, std::string_view key, std::string_view value,
           const memory::set_options& options = {}) {
    return is_local() ? local_->set(space, key, value, options)
                      : routed_->set(key, value, options);
  }

  errc set_if_absent(space_id space, std::string_view key,
                     std::string_view value,
                     const memory::set_options& options = {}) {
    return is_local() ? local_->set_if_absent(space, key, value, options)
                      : routed_->set_if_absent(key, value, options);
  }

  errc set_if_present(space_id space, std::string_view key,
                      std::string_view value,
                      const memory::set_options& options = {}) {
    return is_local() ? local_->set_if_present(space, key, value, options)
                      : routed_->set_if_present(key, value, options);
  }

  errc exchange(space_id space, std::string_view key, std::string_view value,
                std::string& previous, bool& had_previous,
                const memory::set_options& options = {}) {
    return is_local()
             ? local_->exchange(space, key, value, previous, had_previous,
                                options)
             : routed_->exchange(key, value, previous, had_previous, options);
  }

  /// Replaces the entry of that version; keeps the expiry by default.
  errc replace(space_id space, std::string_view key,
               memory::version_token expected, std::string_view desired,
               const memory::set_options& options = {0, true}) {
    return is_local()
             ? local_->compare_and_swap(space, key, expected, desired, nullptr,
                                        options)
             : routed_->compare_and_swap(key, expected, desired, options);
  }

  errc increment(space_id space, std::string_view key, std::int64_t delta,
                 std::int64_t& result) {
    return is_local() ? local_->increment(space, key, delta, result)
                      : routed_->increment(key, delta, result);
  }

  errc append(space_id space, std::string_view key, std::string_view suffix,
              std::size_t& value_bytes) {
    return is_local() ? local_->append(space, key, suffix, value_bytes)
                      : routed_->append(key, suffix, value_bytes);
  }

  errc erase(space_id space, std::string_view key) {
    return is_local() ? local_->erase(space, key) : routed_->erase(key);
  }

  errc take(space_id space, std::string_view key, std::string& value) {
    return is_local() ? local_->take(space, key, value)
                      : routed_->take(key, value);
  }

  errc expire(space_id space, std::string_view key, std::int64_t ttl_ms) {
    return is_local() ? local_->expire(space, key, ttl_ms)
                      : routed_->expire(key, ttl_ms);
  }

  errc persist(space_id space, std::string_view key) {
    return is_local() ? local_->persist(space, key) : routed_->persist(key);
  }

  /// `ok`, `not_found`, or why it cannot be told. A key that cannot be stored
  /// is not found.
  errc find(space_id space, std::string_view key) {
    if (is_local())
      return local_->contains(space, key) ? errc::ok : errc::not_found;
    memory::entry_info ignored;
    return routed_->info(key, ignored);
  }

  void get_many(space_id space, std::span<memory::get_request> requests) {
    // Each request carries its own answer; the summary adds nothing.
    if (is_local())
      static_cast<void>(local_->get_many(space, requests));
    else
      routed_->get_many(requests);
  }

  void set_many(space_id space, std::span<memory::set_request> requests) {
    if (is_local())
      static_cast<void>(local_->set_many(space, requests));
    else
      routed_->set_many(requests);
  }

  errc scan(space_id space, memory::scan_cursor& cursor, std::size_t count,
            const std::function<void(const memory::scan_entry&)>& visit) {
    return is_local() ? local_->scan(space, cursor, count, visit, false)
                      : routed_->scan(cursor, count, visit);
  }

  errc count(space_id space, std::uint64_t& entries) {
    if (!is_local())
      return routed_->count(entries);
    entries = 0;
    for (const auto& known : local_->namespaces())
      if (known.id == space)
        entries = known.entries;
    return errc::ok;
  }

private:
  [[nodiscard]] bool is_local() const noexcept {
    return routed_ == nullptr;
  }

  errc get_routed(std::string_view key, std::span<char> buffer,
                  std::size_t& value_bytes) {
    // Asked again with a larger buffer, the value is here already.
    if (fetched_key_ != key || !fetched_) {
      fetched_key_ = key;
      auto code = routed_->get(key, value_, nullptr);
      fetched_ = code == errc::ok;
      if (code != errc::ok)
        return code;
    }
    value_bytes = value_.size();
    if (value_bytes > buffer.size())
      return errc::value_size;
    value_.copy(buffer.data(), value_bytes);
    fetched_ = false;
    return errc::ok;
  }

  memory::store* local_;
  routed_keys* routed_;
  std::string value_;
  std::string fetched_key_;
  bool fetched_ = false;
};

} // namespace neuroplex::resp
