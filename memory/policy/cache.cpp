#include "memory/policy/cache.hpp"

#include "memory/policy/adaptive.hpp"
#include "memory/policy/arc.hpp"

namespace neuroplex::memory::policy {

namespace {

template <class Order>
constexpr std::size_t lists_of = role_count;
template <>
constexpr std::size_t lists_of<lfu_order> = lfu_order::list_count;

// A cache that works under one order all the time.
template <class Order>
class plain_cache : public cache {
public:
  template <class... Arguments>
  explicit plain_cache(const cache_options& options, Arguments&&... arguments)
    : by_bytes_{options.unit == capacity_unit::bytes}, all_{options.limit,
                                                            lists_of<Order>},
      order_{std::forward<Arguments>(arguments)...} {
  }

  bool request(std::uint64_t key, std::uint32_t size) override {
    return serve({key, spread(key), by_bytes_ ? size : 1, ++now_});
  }

  [[nodiscard]] bool contains(std::uint64_t key) const override {
    return all_.find(key, spread(key)) != no_node;
  }

  void prefetch(std::uint64_t key) const override {
    all_.prefetch(spread(key));
  }

  [[nodiscard]] std::uint64_t limit() const override {
    return all_.limit();
  }

  [[nodiscard]] std::uint64_t weight() const override {
    return all_.weight();
  }

  [[nodiscard]] std::uint64_t count() const override {
    return all_.count();
  }

  [[nodiscard]] std::size_t memory_bytes() const override {
    auto bytes = sizeof(*this) + all_.memory_bytes();
    if constexpr (requires { order_.memory_bytes(); })
      bytes += order_.memory_bytes();
    return bytes;
  }

protected:
  bool serve(const policy::request& what) {
    auto found = all_.find(what.key, what.hash);
    if (found != no_node) {
      order_.hit(all_, found, what);
      return true;
    }
    if (what.size <= all_.limit())
      order_.miss(all_, what);
    return false;
  }

  bool by_bytes_;
  std::uint32_t now_ = 0;
  residents all_;
  Order order_;
};

// What a base is to refer to must be made before it.
struct sketch_holder {
  frequency_sketch sketch;
};

class tinylfu_cache final : sketch_holder, public plain_cache<tinylfu_order> {
public:
  explicit tinylfu_cache(const cache_options& options)
    : plain_cache{options, window_climber::least_part, sketch} {
  }

  bool request(std::uint64_t key, std::uint32_t size) override {
    policy::request what{key, spread(key), by_bytes_ ? size : 1, ++now_};
    sketch.add(what.hash);
    auto hit = serve(what);
    if (!hit)
      sketch.fit(all_.count());
    if (climber_.note(hit, all_.count()))
      order_.set_window_part(climber_.part());
    return hit;
  }

  [[nodiscard]] std::size_t memory_bytes() const override {
    return plain_cache::memory_bytes() + sketch.memory_bytes();
  }

private:
  window_climber climber_;
};

constexpr std::uint64_t lirs_young_part = 10; // a hundredth, as in the paper

} // namespace

std::unique_ptr<cache> make_cache(policy_kind kind,
                                  const cache_options& options) {
  NEUROPLEX_ENSURE(options.limit > 0);
  switch (kind) {
    case policy_kind::noeviction:
      return nullptr;
    case policy_kind::clock:
      return std::make_unique<plain_cache<clock_order>>(options);
    case policy_kind::fifo:
      return std::make_unique<plain_cache<fifo_order>>(options);
    case policy_kind::lru:
      return std::make_unique<plain_cache<lru_order>>(options);
    case policy_kind::lfu:
      return std::make_unique<plain_cache<lfu_order>>(options);
    case policy_kind::s3fifo:
      return std::make_unique<plain_cache<s3fifo_order>>(options);
    case policy_kind::sieve:
      return std::make_unique<plain_cache<sieve_order>>(options);
    case policy_kind::adaptive:
      return std::make_unique<adaptive_cache>(options);
    case policy_kind::wtinylfu:
      return std::make_unique<tinylfu_cache>(options);
    case policy_kind::lirs:
      return std::make_unique<plain_cache<lirs_order>>(options,
                                                       lirs_young_part);
    case policy_kind::arc:
      return std::make_unique<plain_cache<arc_order>>(options);
    case policy_kind::twoq:
      return std::make_unique<plain_cache<twoq_order>>(options);
  }
  return nullptr;
}

} // namespace neuroplex::memory::policy
