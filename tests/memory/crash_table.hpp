// What crash_points steps through: operations, the states a segment is in
// before them, and what others do in between. A new operation of the store is
// one entry in `all_operations`.
#pragma once

#include "memory/store.hpp"
#include "tests/memory/crash_image.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace neuroplex::memory::testing {

/// A segment with three attachments, as of three processes: one who will die,
/// one at work beside it, and one who only watches. The first three
/// participants and thread slots, in this order.
class world {
public:
  world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  ~world();

  [[nodiscard]] store& victim() {
    return *stores_[0].db;
  }

  [[nodiscard]] store& peer() {
    return *stores_[1].db;
  }

  [[nodiscard]] store& watcher() {
    return *stores_[2].db;
  }

  /// The segment where participant `index` has it mapped.
  [[nodiscard]] std::byte* base(unsigned index) const {
    return stores_[index].base;
  }

  [[nodiscard]] const geometry& shape() const {
    return shape_;
  }

  [[nodiscard]] static segment_options options();

  /// Stores and remembers; always as the victim.
  void put(const std::string& key, const std::string& value,
           namespace_id ns = namespace_id::default_namespace);

  /// Stores an entry that has expired when this returns.
  void put_expired(const std::string& key, const std::string& value);

  void forget(const std::string& key);

  /// A second namespace.
  namespace_id space();

  /// An inline one of two groups, with 90 entries in it: the next write finds
  /// few free records, or none.
  namespace_id inline_space();
  /// A directory of its own, for backups; made at the first call.
  const std::string& folder();

  /// From here on what changes is to be marked for the next backup.
  void forget_changes();

  std::map<key_id, content> present;
  std::map<key_id, content> backed_up; ///< when changes were forgotten

private:
  struct attachment {
    std::unique_ptr<store> db;
    std::byte* base = nullptr;
  };

  std::string path_;
  std::string folder_;
  geometry shape_;
  std::vector<attachment> stores_;

public:
  /// What an operation works with beside the store; goes before it.
  std::shared_ptr<void> tool;
};

/// What an operation does to the value of a key, if it takes effect.
using effect = std::function<content(const key_id&, const content&)>;

struct operation {
  std::string name;
  std::function<void(world&)> prepare;
  /// ok, or no_space: then it need not have taken effect.
  std::function<errc(store&)> run;
  effect change;
  /// Every state is recovered through the public interface as well: what is
  /// under way is more than threads at work.
  bool through_store = false;
  bool long_one = false; ///< stepped through less often
  effect on_the_way{};   ///< where one change comes before another
  /// What is left to do when everything else is there.
  std::function<void(world&)> ready{};
  /// Keys that may be gone afterwards, since others need their memory.
  std::function<bool(const key_id&)> may_go{};
  /// Looks at what the operation does beside the segment: what is wrong with
  /// it, for somebody who has attached after the deaths.
  std::function<std::vector<std::string>(world&, store&)> look{};
};

struct neighbourhood {
  std::string name;
  std::function<void(world&)> prepare;
  bool costly = false;
};

std::vector<operation> all_operations();
std::vector<neighbourhood> all_neighbourhoods();

/// Operations that a peer does in the middle of another.
std::vector<operation> all_interjections();

/// Ends the process unless `answer` is ok.
void must(errc answer);

/// The same, but that memory may be short, or one of `others` be the answer.
errc acceptable(errc answer, std::initializer_list<errc> others = {});

} // namespace neuroplex::memory::testing
