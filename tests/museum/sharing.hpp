// Values that entries share, in the world of the museum: how they are written
// and read, and whether every count is that of the entries which refer.
//
// Purpose: does with the engine what `store_impl` does for a namespace that
// shares values, without its files and settings. A header, so that a mutant of
// the engine still costs the compilation of one file.
//
// Threads: as the world that owns it.
#pragma once

#include "memory/content_recount.hpp"
#include "memory/dedup.hpp"
#include "tests/schedule/model_sync.hpp"

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace neuroplex::museum {

class sharing {
public:
  using sync = schedule::model_sync;
  using engine_type = memory::basic_engine<sync>;
  using context = engine_type::context;
  using location = engine_type::location;
  using deduplicator = memory::basic_deduplicator<sync>;

  /// Holds the contents of namespace 0, the only one that has entries.
  static constexpr std::uint8_t contents_ns = 1;

  explicit sharing(engine_type& engine) noexcept : engine_{engine} {
  }

  /// As a namespace that is configured to share.
  void begin() {
    const auto& arena = engine_.arena();
    arena.control().namespace_states[contents_ns].store(
      memory::layout::with_namespace_state(
        0x100U, memory::layout::namespace_state::contents));
    auto& owner = arena.name_record(0);
    owner.contents.store(contents_ns);
    owner.storing.store(memory::layout::storing_shared);
    arena.name_record(contents_ns).contents.store(0);
    begun_ = true;
  }

  [[nodiscard]] bool begun() const noexcept {
    return begun_;
  }

  [[nodiscard]] errc put(const memory::basic_lookup_view<sync>& view,
                         context& self, std::uint64_t hash,
                         std::string_view key, std::string_view value,
                         memory::condition when) {
    memory::basic_acquisition<sync> share{engine_, self, 0,
                                          engine_.contents().contents_of(0)};
    auto answer = share.acquire(
      value, [](std::string_view, std::string&) { return false; });
    if (answer == errc::ok)
      answer = engine_.put(view, self, hash, 0, key, share.bytes(), 0, when,
                           memory::layout::flag_refers);
    if (answer == errc::ok)
      share.commit();
    return answer;
  }

  /// Reads an entry of any kind; `copy(location, hash, expires)` copies what is
  /// at a location and answers whether it is whole.
  template <class Copy>
  [[nodiscard]] errc read(std::uint64_t hash, std::string_view key,
                          Copy&& copy) const {
    for (memory::missing_content missing;;) {
      memory::shared_reference reference;
      memory::version_token seen{};
      bool refers = false;
      auto answer = engine_.read(
        hash, 0, key, [&](const location& where, std::int64_t expires) {
          refers = where.fields.refers();
          if (!refers)
            return copy(where, hash, expires);
          seen = engine_.token_of(where);
          return deduplicator::reference_of(hash, where, expires, reference);
        });
      if (answer != errc::ok || !refers)
        return answer;
      answer = deduplicator{engine_}.read(
        0, reference, [&](const location& where, std::uint64_t content_hash) {
          return copy(where, content_hash, 0);
        });
      if (answer != errc::not_found)
        return answer;
      if (!missing.look_again(seen))
        return errc::corrupt;
    }
  }

  /// What a survivor does once he has recovered the dead.
  [[nodiscard]] std::string recount(context& self) {
    memory::basic_content_recount<sync> recount{engine_};
    return recount.needed() && !recount.run(self)
             ? "counts of references stay in doubt though nobody writes"
             : "";
  }

  // -- judging ----------------------------------------------------------------

  void forget() {
    seen_.clear();
  }

  /// Notes an entry; false when it is none that sharing makes.
  [[nodiscard]] bool note(const location& where, std::string_view key) {
    std::string value(where.fields.value_bytes, '\0');
    sync::read(value.data(), where.payload() + key.size(), value.size());
    std::uint64_t number = 0;
    memory::shared_reference reference;
    if (where.fields.ns() == 0) {
      if (where.fields.refers()
          && memory::shared_reference::read(value, reference))
        ++seen_[reference.number].referring;
      return where.fields.refers() == begun_;
    }
    if (deduplicator::counts_type::read_number(where, number)) {
      seen_[number].counted =
        memory::reference_count::of(where.block->link.load());
      return true;
    }
    if (key.size() != sizeof number)
      return false;
    std::memcpy(&number, key.data(), sizeof number);
    seen_[number].has_bytes = true;
    return true;
  }

  [[nodiscard]] std::string judge() const {
    for (const auto& [number, each] : seen_) {
      auto content = "content " + std::to_string(number);
      if (each.counted != each.referring)
        return content + " counts " + std::to_string(each.counted)
               + " entries, not " + std::to_string(each.referring);
      if (each.counted == 0)
        return content + " is kept though nobody refers to it";
      if (!each.has_bytes)
        return content + " has lost its bytes";
    }
    return {};
  }

private:
  struct content {
    std::uint32_t counted = 0;
    std::uint32_t referring = 0;
    bool has_bytes = false;
  };

  engine_type& engine_;
  bool begun_ = false;
  std::map<std::uint64_t, content> seen_; ///< by number
};

} // namespace neuroplex::museum
