// Counts of references that survive a kill: looks at who refers to what, and
// frees what nobody refers to.
//
// Purpose: a process that dies between a count and the entry it stands for
// leaves the count too high (content_counts.hpp). Recovery then marks the
// counts as doubtful. This looks at every entry, as recount.hpp does and in the
// same way: if no writer was at work before and after, and none began, what was
// counted is right.
//
// A count that is off stays off by the same number whatever writers do
// afterwards, so it is set by compare-and-swap from what it was. Contents
// without a record, and records that nobody refers to, are removed.
//
// Threads: any, but one at a time for a segment; the caller sees to that.
// Nobody is held up.
//
// Failure behaviour: answers false when somebody wrote meanwhile; the doubt
// remains, and the next call tries again. A process that is stopped between a
// count and its entry thus puts it off until it goes on or dies.
#pragma once

#include "memory/recount.hpp"
#include "memory/space.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace neuroplex::memory {

template <class Sync>
class basic_content_recount : basic_recount<Sync> {
public:
  using base = basic_recount<Sync>;
  using space_type = basic_space<Sync>;
  using context = basic_thread_context<Sync>;

  explicit basic_content_recount(space_type& space) noexcept
    : base{space.arena(), space.pool()}, space_{space} {
  }

  /// Whether a count may be wrong.
  [[nodiscard]] bool needed() const noexcept {
    return doubt().load(std::memory_order_relaxed) != 0;
  }

  /// Counts, and puts right what is wrong; answers whether nothing is any more.
  bool run(context& self) {
    return base::settle(doubt(), [&] {
      if (!look())
        return false;
      bool all = true;
      for (auto& each : records_)
        all = settle_record(self, each) && all;
      for (auto& [contents, number] : bytes_)
        if (recorded_.count(number) == 0 && references_.count(number) == 0)
          space_.contents().remove_bytes(self, contents, number);
      return all;
    });
  }

private:
  struct record {
    std::uint8_t contents;
    content_hash hash;
    std::uint64_t number;
    std::uint32_t link;
  };

  struct sums {
    std::uint64_t references = 0;
    std::uint64_t referred_bytes = 0;
  };

  [[nodiscard]] auto& doubt() const noexcept {
    return space_.arena().control().contents_in_doubt;
  }

  /// False when somebody wrote meanwhile.
  bool look() {
    references_.clear();
    records_.clear();
    recorded_.clear();
    bytes_.clear();
    std::array<sums, limits::max_namespaces> counted{};
    std::array<sums, limits::max_namespaces> before{};
    const auto& arena = space_.arena();
    auto quiet = base::writers();
    for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
      auto& names = arena.name_record(ns);
      before[ns] = {names.references.load(std::memory_order_relaxed),
                    names.referred_bytes.load(std::memory_order_relaxed)};
    }
    if (!quiet
        || !base::visit_live(
          *quiet, [&](auto* block, const layout::entry_fields& fields) {
            note(block, fields, counted);
          }))
      return false;
    for (unsigned ns = 0; ns < limits::max_namespaces; ++ns) {
      auto& names = arena.name_record(ns);
      (void)base::set(names.references, before[ns].references,
                      counted[ns].references);
      (void)base::set(names.referred_bytes, before[ns].referred_bytes,
                      counted[ns].referred_bytes);
    }
    return true;
  }

  void note(const layout::block_header<Sync>* block,
            const layout::entry_fields& fields,
            std::array<sums, limits::max_namespaces>& counted) {
    const auto& arena = space_.arena();
    auto* key =
      reinterpret_cast<const std::byte*>(block) + fields.payload_offset();
    auto* value = key + fields.key_bytes();
    if (fields.refers()) {
      shared_reference reference;
      if (fields.value_bytes != sizeof reference)
        return;
      Sync::read(&reference, value, sizeof reference);
      ++references_[reference.number];
      auto contents =
        arena.name_record(fields.ns()).contents.load(std::memory_order_relaxed);
      ++counted[contents].references;
      counted[contents].referred_bytes += reference.value_bytes;
      return;
    }
    auto word = arena.control().namespace_states[fields.ns()].load(
      std::memory_order_relaxed);
    if (layout::namespace_state_of(word) != layout::namespace_state::contents)
      return;
    record found{};
    found.contents = fields.ns();
    if (fields.counted() && fields.key_bytes() == sizeof found.hash
        && fields.value_bytes == sizeof found.number) {
      Sync::read(&found.hash, key, sizeof found.hash);
      Sync::read(&found.number, value, sizeof found.number);
      found.link = block->link.load(std::memory_order_acquire);
      records_.push_back(found);
      recorded_.insert(found.number);
    } else if (!fields.counted() && fields.key_bytes() == sizeof found.number) {
      Sync::read(&found.number, key, sizeof found.number);
      bytes_.emplace_back(found.contents, found.number);
    }
  }

  bool settle_record(context& self, const record& each) {
    auto known = references_.find(each.number);
    auto entries = known == references_.end() ? 0 : known->second;
    if (reference_count::of(each.link) == entries && entries != 0)
      return true;
    auto counts = space_.contents();
    auto wanted = reference_count::stamp_of(entries);
    if (each.link != wanted
        && !counts.set(self, each.contents, each.hash, each.number, each.link,
                       wanted))
      return false; // counted by others since; looked at again
    if (entries == 0)
      counts.remove(self, each.contents, each.hash, each.number);
    return true;
  }

  space_type& space_;
  std::unordered_map<std::uint64_t, std::uint32_t> references_; ///< by number
  std::vector<record> records_;
  std::unordered_set<std::uint64_t> recorded_;
  std::vector<std::pair<std::uint8_t, std::uint64_t>> bytes_;
};

} // namespace neuroplex::memory
