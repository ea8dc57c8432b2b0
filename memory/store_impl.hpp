// One process' attachment: mapping, participant record, thread contexts, and
// the engine. The public `store` forwards to it.
//
// Threads: `self()` hands each thread its own context; contexts of threads that
// ended are reused. Attach, close and growth take `mutex_`; operations do not.
#pragma once

#include "memory/engine.hpp"
#include "memory/mapping.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace neuroplex::memory::detail {

class store_impl {
public:
  using engine_type = basic_engine<native_sync>;
  using arena_type = basic_arena<native_sync>;
  using context = basic_thread_context<native_sync>;

  static expected<std::unique_ptr<store_impl>> attach(mapping file,
                                                      const geometry& shape,
                                                      std::string path,
                                                      access_mode mode);

  store_impl(const store_impl&) = delete;
  store_impl& operator=(const store_impl&) = delete;
  ~store_impl();

  void close() noexcept;

  /// ok, closed or forked; one relaxed load.
  [[nodiscard]] errc usable() const noexcept {
    return condition_.load(std::memory_order_relaxed);
  }

  /// ok when writes are possible in `ns`.
  [[nodiscard]] errc writable(namespace_id ns) const noexcept;

  /// The calling thread's context, or null: read-only, or no slot left.
  [[nodiscard]] NEUROPLEX_INLINE context* self() noexcept {
    if (last_used.store_id == id_) [[likely]]
      return last_used.context;
    return find_self();
  }

  [[nodiscard]] engine_type& engine() noexcept {
    return engine_;
  }

  [[nodiscard]] const engine_type& engine() const noexcept {
    return engine_;
  }

  [[nodiscard]] const arena_type& arena() const noexcept {
    return engine_.arena();
  }

  [[nodiscard]] const geometry& shape() const noexcept {
    return engine_.arena().shape();
  }

  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

  [[nodiscard]] access_mode mode() const noexcept {
    return mode_;
  }

  [[nodiscard]] const mapping& file() const noexcept {
    return file_;
  }

  /// Cleans up after dead participants; answers the number of dead threads.
  expected<std::size_t> recover();

  expected<namespace_id> open_namespace(std::string_view name);
  [[nodiscard]] expected<namespace_id>
  find_namespace(std::string_view name) const;
  expected<void> drop_namespace(std::string_view name);

  errc expand_pool(std::uint64_t additional_bytes);
  errc grow_index(std::uint32_t index_state);

  /// Pins an entry for a `value_view`.
  errc view(std::uint64_t hash, namespace_id ns, std::string_view key,
            value_view& result);

  /// Removes all entries of `ns`.
  errc clear(namespace_id ns, std::uint64_t& removed);

  [[nodiscard]] bool was_clean() const noexcept {
    return was_clean_;
  }

  [[nodiscard]] std::uint32_t participants() const noexcept;
  [[nodiscard]] std::uint32_t threads() const noexcept;

  /// In a forked child: the attachment belongs to the parent.
  void abandon_after_fork() noexcept;

  /// A thread that used context `used` ended.
  void thread_ended(context* used) noexcept;

  /// The end of a line's range as a cursor position, so that it stays valid
  /// when the index doubles.
  [[nodiscard]] static std::uint64_t
  position_after(std::uint64_t line, std::uint64_t lines) noexcept;

private:
  store_impl(mapping file, const geometry& shape, std::string path,
             access_mode mode);

  /// The context that this thread used last, of whatever store.
  struct recent {
    std::uint64_t store_id;
    basic_thread_context<native_sync>* context;
  };
  static thread_local constinit recent last_used;

  context* find_self() noexcept;
  expected<void> join();
  context* acquire_context();
  context* take_thread_slot();
  bool recover_participant(unsigned index, context& helper,
                           std::size_t& threads_found);
  void leave() noexcept;

  mapping file_;
  std::string path_;
  access_mode mode_;
  engine_type engine_;
  std::atomic<errc> condition_{errc::ok};
  std::uint64_t id_;
  unsigned participant_ = 0;
  bool joined_ = false;
  bool was_clean_ = false;
  std::mutex mutex_;
  std::vector<std::unique_ptr<context>> contexts_;
  std::vector<context*> idle_;
};

} // namespace neuroplex::memory::detail
