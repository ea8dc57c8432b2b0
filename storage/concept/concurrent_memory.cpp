#include "storage/concept/concurrent_memory.hpp"
#include "storage/concept/unix_time.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <random>

namespace neuroplex::concepts {

namespace {

constexpr std::chrono::milliseconds longest_interval{60'000};

/// As many batches as wait are applied as one.
constexpr std::size_t lagging_batches = 4;

/// How often rings of other processes are looked at, which wake nobody.
constexpr std::chrono::milliseconds rings_interval{1};

/// Entries after which a producer looks whether a batch is waiting.
constexpr std::uint64_t look_every = 256;

std::uint64_t seed_or_chance(std::uint64_t seed) {
  if (seed != 0)
    return seed;
  std::random_device chance;
  return std::uint64_t{chance()} << 32 | chance();
}

/// Keeps what the ring has no room for in memory; for a memory without a
/// folder.
class spill_in_memory final : public spill_store {
public:
  expected<void> put(std::vector<write_entry>& entries) override {
    entries_.insert(entries_.end(), std::make_move_iterator(entries.begin()),
                    std::make_move_iterator(entries.end()));
    return {};
  }

  expected<void> take(std::vector<write_entry>& to, std::size_t most) override {
    auto end = entries_.begin()
               + static_cast<std::ptrdiff_t>(std::min(most, entries_.size()));
    std::move(entries_.begin(), end, std::back_inserter(to));
    entries_.erase(entries_.begin(), end);
    return {};
  }

  [[nodiscard]] std::uint64_t size() const noexcept override {
    return entries_.size();
  }

private:
  std::deque<write_entry> entries_;
};

template <class Number>
expected<void> in_range(const char* name, Number value, Number least,
                        Number most) {
  if (value >= least && value <= most)
    return {};
  return failure{errc::bad_argument, std::string{name} + ": "
                                       + std::to_string(value) + ": expected "
                                       + std::to_string(least) + " to "
                                       + std::to_string(most)};
}

} // namespace

memory_options memory_options::write_throughput() {
  memory_options options;
  options.interval = std::chrono::milliseconds{50};
  options.flush_threshold = 100'000;
  return options;
}

memory_options memory_options::read_latency() {
  memory_options options;
  options.interval = std::chrono::milliseconds{5};
  options.flush_threshold = 10'000;
  return options;
}

memory_options memory_options::small_memory() {
  memory_options options;
  options.flush_threshold = 5'000;
  return options;
}

expected<void> memory_options::validate() const {
  if (auto fits = in_range<std::int64_t>("interval_ms", interval.count(), 1,
                                         longest_interval.count());
      !fits)
    return fits;
  if (!(vectors.wanted_recall > 0 && vectors.wanted_recall <= 1))
    return failure{errc::bad_argument,
                   "wanted_recall: expected more than 0 and at most 1"};
  if (auto fits = in_range<std::size_t>("max_batch", max_batch, 1,
                                        limits::max_batch_entries);
      !fits)
    return fits;
  for (const auto& fits : {rings.validate(), shown.validate()})
    if (!fits)
      return fits;
  return in_range<std::size_t>(
    "capacity", log.capacity, limits::min_log_entries, limits::max_log_entries);
}

std::vector<health_notice> health(const memory_stats& stats,
                                  std::int64_t now_us) {
  constexpr std::uint64_t many_pending = 10'000;
  constexpr std::int64_t stale_us = 100'000;
  std::vector<health_notice> notices;
  if (!stats.problem.empty())
    notices.push_back({"reconciler stopped", stats.problem,
                       "see to the disk and open the memory again"});
  if (stats.write_log.pending > many_pending)
    notices.push_back(
      {"write pressure",
       std::to_string(stats.write_log.pending) + " entries are waiting",
       "a shorter interval, or larger batches"});
  if (stats.write_log.dropped > 0)
    notices.push_back({"overflow",
                       std::to_string(stats.write_log.dropped)
                         + " entries were dropped from a full write log",
                       "a larger capacity, a shorter interval, or the policy "
                       "spill"});
  if (stats.write_log.pending > 0 && now_us - stats.checked_us > stale_us)
    notices.push_back(
      {"reconciler behind",
       "the snapshot is " + std::to_string((now_us - stats.checked_us) / 1000)
         + " ms behind the write log",
       "a shorter interval, smaller batches, or a faster disk"});
  return notices;
}

struct concurrent_memory::parts {
  std::unique_ptr<association_types> types;
  std::unique_ptr<concept_files> files;
  std::unique_ptr<spill_store> own_spill;
  std::unique_ptr<shared_view> shown;
  std::unique_ptr<graph> store;
  concept_files::found found;
  std::unique_ptr<write_rings> rings;
};

expected<std::unique_ptr<concurrent_memory>>
concurrent_memory::make(const memory_options& options) {
  return make(options, std::make_unique<association_types>(), nullptr);
}

expected<std::unique_ptr<concurrent_memory>>
concurrent_memory::open(const std::string& folder, bool make_folder,
                        const memory_options& options) {
  auto types = std::make_unique<association_types>();
  auto files = concept_files::open(folder, make_folder,
                                   {.flush_threshold = options.flush_threshold,
                                    .keep = options.keep,
                                    .write_beside = true,
                                    .seed = seed_or_chance(options.seed)},
                                   *types);
  if (!files)
    return files.error();
  return make(options, std::move(types), std::move(*files));
}

expected<std::unique_ptr<concurrent_memory>>
concurrent_memory::make(const memory_options& options,
                        std::unique_ptr<association_types> types,
                        std::unique_ptr<concept_files> files) {
  if (auto fits = options.validate(); !fits)
    return fits.error();
  parts made;
  made.types = std::move(types);
  made.files = std::move(files);
  if (!options.shown.path.empty()) {
    auto shown = shared_view::make(options.shown, *made.types);
    if (!shown)
      return shown.error();
    made.shown = std::move(*shown);
  }
  made.store =
    std::make_unique<graph>(seed_or_chance(options.seed), made.shown.get());
  if (!options.rings.path.empty()) {
    auto rings = write_rings::make(options.rings);
    if (!rings)
      return rings.error();
    made.rings = std::move(*rings);
  }
  if (made.files == nullptr) {
    made.own_spill = std::make_unique<spill_in_memory>();
  } else {
    auto found = made.files->recover(*made.store);
    if (!found)
      return found.error();
    made.found = *found;
  }
  auto with_sequence = options;
  with_sequence.log.first_sequence = made.found.last_sequence + 1;
  return std::unique_ptr<concurrent_memory>{
    new concurrent_memory{with_sequence, std::move(made)}};
}

concurrent_memory::concurrent_memory(const memory_options& options, parts made)
  : options_{options}, types_{std::move(made.types)}, files_{std::move(
                                                        made.files)},
    own_spill_{std::move(made.own_spill)}, shown_{std::move(made.shown)},
    graph_{std::move(made.store)}, found_{made.found},
    log_{options.log, files_ == nullptr ? own_spill_.get() : &files_->spill()},
    view_{graph_->working()}, rings_{std::move(made.rings)},
    reconciler_{log_, *graph_, view_, files_.get()},
    indexer_{view_, options.vectors}, checked_us_{unix_time_us()} {
  if (shown_ != nullptr)
    view_.invite(*shown_);
  if (options_.own_thread)
    thread_ = std::thread{[this] {
      while (reconcile()) {
      }
    }};
}

concurrent_memory::~concurrent_memory() {
  (void)close();
  files_.reset(); // may still write a segment from a snapshot of `view_`
}

expected<void> concurrent_memory::close() {
  {
    std::scoped_lock guard{mutex_};
    stopping_ = true;
  }
  woken_.notify_one();
  if (thread_.joinable())
    thread_.join();
  while (!options_.own_thread && reconcile()) {
  }
  std::scoped_lock guard{mutex_};
  return problem_ ? expected<void>{*problem_} : expected<void>{};
}

errc concurrent_memory::append(write_entry& entry, std::uint64_t* sequence) {
  auto result = log_.append(entry);
  if (result != errc::ok)
    return result;
  if (sequence != nullptr)
    *sequence = entry.sequence;
  if (entry.sequence % look_every == 0 && log_.pending() >= options_.max_batch)
    wake();
  return errc::ok;
}

errc concurrent_memory::write(write_entry& entry) {
  if (entry.kind == entry_kind::learn_association
      && entry.type >= types_->size())
    return errc::bad_argument;
  return append(entry, nullptr);
}

/// Without the lock: if the reconciler misses it, the interval ends soon.
void concurrent_memory::wake() {
  woken_.notify_one();
}

errc concurrent_memory::learn_concept(const concept_id& id,
                                      const concept_facts& facts,
                                      std::uint64_t* sequence) {
  write_entry entry;
  auto made = make_learn_concept(id, facts, entry);
  return made == errc::ok ? append(entry, sequence) : made;
}

errc concurrent_memory::learn_association(const association& what,
                                          std::uint64_t* sequence) {
  if (what.type >= types_->size())
    return errc::bad_argument;
  write_entry entry;
  auto made = make_learn_association(what, entry);
  return made == errc::ok ? append(entry, sequence) : made;
}

errc concurrent_memory::strengthen(const concept_id& id, float amount,
                                   std::uint64_t* sequence) {
  write_entry entry;
  auto made = make_strengthen(id, amount, entry);
  return made == errc::ok ? append(entry, sequence) : made;
}

errc concurrent_memory::decay(const concept_id& id, float factor,
                              std::uint64_t* sequence) {
  write_entry entry;
  auto made = make_decay(id, factor, entry);
  return made == errc::ok ? append(entry, sequence) : made;
}

errc concurrent_memory::forget(const concept_id& id, std::uint64_t* sequence) {
  write_entry entry;
  make_forget(id, entry);
  return append(entry, sequence);
}

errc concurrent_memory::forget(const association& what,
                               std::uint64_t* sequence) {
  write_entry entry;
  make_forget(what, entry);
  return append(entry, sequence);
}

errc concurrent_memory::wait_visible(std::uint64_t sequence,
                                     std::chrono::milliseconds limit) {
  auto reached = [&] {
    return view_.sequence() >= sequence || problem_.has_value();
  };
  std::unique_lock guard{mutex_};
  asked_ = true;
  woken_.notify_one();
  if (!published_.wait_for(guard, limit, reached))
    return errc::deadline;
  return view_.sequence() >= sequence ? errc::ok : errc::io;
}

vector_result concurrent_memory::nearest_vectors(
  const graph_version& in, std::span<const float> wanted, vector_metric metric,
  std::size_t count, const query_bounds& bounds) const {
  auto index = indexer_.current();
  return index != nullptr && index->unknown(in)
           ? index->search(in, wanted, metric, count, bounds)
           : search_vector(in, wanted, metric, count, bounds);
}

vector_index_stats concurrent_memory::index_stats() const {
  auto index = indexer_.current();
  return index == nullptr ? vector_index_stats{} : index->stats();
}

memory_stats concurrent_memory::stats() const {
  memory_stats result;
  result.write_log = log_.stats();
  if (rings_ != nullptr)
    result.rings = rings_->stats();
  result.reconciler = reconciler_.stats();
  result.checked_us = checked_us_.load(std::memory_order_relaxed);
  if (auto now = load("stats")) {
    result.concepts = (*now)->concept_count;
    result.edges = (*now)->association_count;
    result.sequence = (*now)->sequence;
    result.timestamp_us = (*now)->timestamp_us;
  }
  if (files_ != nullptr)
    result.disk_flushes = files_->flushes();
  result.memory_bytes = graph_->memory().used_bytes();
  result.version_bytes = view_.kept_bytes();
  result.versions = view_.kept_versions();
  result.holders = view_.holders();
  std::scoped_lock guard{mutex_};
  if (problem_)
    result.problem = problem_->message();
  return result;
}

/// Until somebody wakes us, a ring is filling up, or the interval has passed.
void concurrent_memory::wait_for_work(std::unique_lock<std::mutex>& guard) {
  if (rings_ == nullptr) {
    woken_.wait_for(guard, options_.interval);
    return;
  }
  const auto end = std::chrono::steady_clock::now() + options_.interval;
  while (!rings_->presses() && std::chrono::steady_clock::now() < end
         && woken_.wait_for(guard, rings_interval) == std::cv_status::timeout) {
  }
}

/// A batch at a time without a pause while whole batches wait; so the interval
/// shrinks under load by itself. When it lags, batches grow: what they share is
/// copied less often.
bool concurrent_memory::reconcile() {
  bool stopping = false;
  {
    std::unique_lock guard{mutex_};
    if (closed_)
      return false;
    if (!stopping_ && !asked_ && log_.pending() < options_.max_batch)
      wait_for_work(guard);
    stopping = stopping_;
    asked_ = false;
  }
  // What comes while it stops is for the next who reads the rings.
  if (rings_ != nullptr && !stopping)
    rings_->drain(log_, *types_);
  auto now_us = unix_time_us();
  auto most = options_.max_batch;
  if (log_.pending() > most * lagging_batches)
    most = std::min(most * lagging_batches, limits::max_batch_entries);
  auto done = reconciler_.drain_and_publish(now_us, most);
  if (rings_ != nullptr)
    rings_->note_visible(view_.sequence());
  if (done && done->taken < most)
    checked_us_.store(now_us, std::memory_order_relaxed);
  auto ended = stopping && (!done || done->taken == 0);
  auto result = done ? expected<void>{} : expected<void>{done.error()};
  if (ended)
    indexer_.stop();
  else if (result)
    indexer_.consider(graph_->working());
  if (ended && result)
    result = reconciler_.close();
  std::unique_lock guard{mutex_};
  if (!result && !problem_)
    problem_ = result.error();
  closed_ = ended;
  published_.notify_all();
  // After a failure nothing more is done, and only the end is waited for.
  if (problem_ && !ended)
    woken_.wait_for(guard, options_.interval, [this] { return stopping_; });
  return !ended;
}

} // namespace neuroplex::concepts
