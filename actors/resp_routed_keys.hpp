// The keys of all other nodes, as the RESP handlers want them.
//
// Purpose: spells the operations of a segment as requests to the cluster, and
// waits for the answers.
//
// Ownership: owns its attachment to the node, refers to the node's segment.
// Threads: one at a time.
//
// Failure behaviour: the codes of the request; see actors/client.hpp.
#pragma once

#include "actors/client.hpp"
#include "actors/resp/key_space.hpp"
#include "memory/store.hpp"

#include <cstdint>
#include <string>

namespace neuroplex::actors {

class resp_routed_keys final : public resp::routed_keys {
public:
  /// `self` is this node's position among the `member_count` members.
  resp_routed_keys(client way, memory::store& segment, std::uint32_t self,
                   std::uint32_t member_count);

  void use_space(std::string name) override;

  errc get(std::string_view key, std::string& value,
           memory::entry_info* info) override;
  errc info(std::string_view key, memory::entry_info& result) override;
  errc set(std::string_view key, std::string_view value,
           const memory::set_options& options) override;
  errc set_if_absent(std::string_view key, std::string_view value,
                     const memory::set_options& options) override;
  errc set_if_present(std::string_view key, std::string_view value,
                      const memory::set_options& options) override;
  errc exchange(std::string_view key, std::string_view value,
                std::string& previous, bool& had_previous,
                const memory::set_options& options) override;
  errc compare_and_swap(std::string_view key, memory::version_token expected,
                        std::string_view desired,
                        const memory::set_options& options) override;
  errc increment(std::string_view key, std::int64_t delta,
                 std::int64_t& result) override;
  errc append(std::string_view key, std::string_view suffix,
              std::size_t& value_bytes) override;
  errc erase(std::string_view key) override;
  errc take(std::string_view key, std::string& value) override;
  errc expire(std::string_view key, std::int64_t ttl_ms) override;
  errc persist(std::string_view key) override;
  void get_many(std::span<memory::get_request> requests) override;
  void set_many(std::span<memory::set_request> requests) override;
  errc
  scan(memory::scan_cursor& cursor, std::size_t count,
       const std::function<void(const memory::scan_entry&)>& visit) override;
  errc count(std::uint64_t& entries) override;
  errc clear() override;

private:
  request about(operation op, std::string_view key) const;
  errc store_by(operation op, std::string_view key, std::string_view value,
                const memory::set_options& options);

  client way_;
  memory::store* segment_;
  std::uint32_t self_;
  std::uint32_t member_count_;
  std::string space_ = "default";
};

} // namespace neuroplex::actors
