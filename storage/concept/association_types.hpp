// The types of associations: a small number for each name, for ever.
//
// Ownership and threads: all. Names are never taken away, so a reader needs no
// lock.
//
// Failure behaviour: `bad_argument` for an empty name or one that is too long,
// `too_many` when limits::max_association_types exist.
#pragma once

#include "storage/concept/limits.hpp"
#include "storage/concept/types.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

namespace neuroplex::concepts {

class association_types {
public:
  association_types() = default;
  association_types(const association_types&) = delete;
  association_types& operator=(const association_types&) = delete;

  /// The number of a name, which is new if need be. `phrase` says the
  /// association in a sentence, as "is a kind of"; the name does it otherwise.
  expected<association_type> intern(std::string_view name,
                                    std::string_view phrase = {});

  /// The number of a name, or nothing.
  [[nodiscard]] std::optional<association_type>
  find(std::string_view name) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept {
    return count_.load(std::memory_order_acquire);
  }

  /// Name and phrase of a number; "?" of one that is not in use.
  [[nodiscard]] std::string_view name(association_type type) const noexcept;
  [[nodiscard]] std::string_view phrase(association_type type) const noexcept;

private:
  struct entry {
    std::string name;
    std::string phrase;
  };

  std::array<entry, limits::max_association_types> entries_;
  std::atomic<std::size_t> count_{0}; ///< entries before it never change
  std::mutex mutex_;                  ///< of who adds one
};

} // namespace neuroplex::concepts
