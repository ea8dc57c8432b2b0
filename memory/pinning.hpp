// Pins and unpins an entry: a copy of it takes its place, with another stamp.
//
// Threads: all; a context belongs to one thread, for which `begin_write` was
// asked.
#pragma once

#include "memory/store_impl.hpp"

#include <optional>
#include <string_view>

namespace neuroplex::memory::detail {

/// ok, not_found, corrupt, or why memory is short. With `only`, mismatch where
/// the entry is another than that.
[[nodiscard]] errc set_pinned(store_impl& impl, store_impl::context& self,
                              namespace_id ns, std::string_view key,
                              stamp::pinning pins,
                              std::optional<version_token> only = {});

} // namespace neuroplex::memory::detail
