#include "memory/policy/adaptive.hpp"

#include <cmath>

namespace neuroplex::memory::policy {

namespace {

// Chosen by the mean over many traces; doc/decisions says what was tried.
constexpr std::uint64_t wide_part = 51; // of LIRS for newcomers: 5 %
constexpr std::uint64_t narrow_part = 10;
constexpr std::uint64_t small_window_part = 10;
constexpr std::uint64_t wide_window_part = 307; // 30 %

constexpr std::uint32_t sample_count = 128;

// The first lead. LIRS serves loops from their second turn on, and loses little
// elsewhere. Where sizes differ, they matter more than the pattern.
expert first_lead(const cache_options& options) noexcept {
  if (options.unit == capacity_unit::objects)
    return expert::lirs;
  return options.aim == objective::object_hits ? expert::gdsf : expert::s3fifo;
}

// The judge looks at its records every so many sampled requests, ...
constexpr std::uint32_t min_look_interval = 32;
// ... which fade over as many requests as this many fillings of a shadow.
constexpr double memory_fillings = 64;
constexpr double min_memory = 4000;
// To change costs misses, until the cache holds what the new lead wants: it
// must be ahead by this part of a filling, and by this many standard deviations
// of a fair coin's. Where sizes differ, a sample is less like the whole.
constexpr double change_price = 0.05;
constexpr double sized_change_price = 0.3;
constexpr double sure_deviations = 1.5;

} // namespace

changeable_cache::changeable_cache(std::uint64_t limit, bool by_bytes,
                                   expert lead, const frequency_sketch& sketch)
  : all_{limit, by_bytes ? gdsf_order::list_count : std::size_t{role_count}},
    lead_{lead}, by_bytes_{by_bytes}, lirs_{wide_part},
    tinylfu_{wide_window_part, sketch}, gdsf_{sketch, by_bytes} {
  follow(lead);
}

void changeable_cache::follow(expert lead) noexcept {
  lead_ = lead;
  lirs_.set_young_part(lead == expert::lirs_narrow ? narrow_part : wide_part);
  tinylfu_.set_window_part(lead == expert::tinylfu ? small_window_part
                                                   : wide_window_part);
}

bool changeable_cache::request_one(const request& what) {
  auto found = all_.find(what.key, what.hash);
  auto hit = found != no_node;
  auto serve = [&](auto& order) {
    if (hit)
      order.hit(all_, found, what);
    else
      order.miss(all_, what);
  };
  // What GDSF left in lists of its own goes first under another order.
  if (by_bytes_ && lead_ != expert::gdsf && !hit)
    while (all_.lacks_room(what.size) && gdsf_.evict_own(all_)) {
    }
  switch (lead_) {
    case expert::lru:
      serve(lru_);
      break;
    case expert::s3fifo:
      serve(s3fifo_);
      break;
    case expert::lirs:
    case expert::lirs_narrow:
      serve(lirs_);
      break;
    case expert::tinylfu:
    case expert::tinylfu_wide:
      serve(tinylfu_);
      break;
    case expert::gdsf:
      serve(gdsf_);
      break;
  }
  return hit;
}

std::size_t changeable_cache::memory_bytes() const noexcept {
  return all_.memory_bytes() + s3fifo_.memory_bytes() + lirs_.memory_bytes()
         + gdsf_.memory_bytes();
}

bool judge::note(unsigned hits, double worth, std::uint32_t entries) noexcept {
  auto lead_hit = (hits >> static_cast<unsigned>(lead_) & 1U) != 0;
  mean_worth_ += (worth - mean_worth_) / 1024;
  if (lead_hit || hits != 0)
    for (std::size_t i = 0; i < expert_count; ++i) {
      auto hit = (hits >> i & 1U) != 0;
      if (lead_hit && !hit)
        records_[i].lost += worth;
      else if (hit && !lead_hit)
        records_[i].won += worth;
    }
  auto interval = std::max(min_look_interval, entries / 4);
  if (++since_look_ < interval)
    return false;
  since_look_ = 0;
  auto found = best(entries);
  auto fading = interval / std::max(min_memory, memory_fillings * entries);
  for (auto& each : records_) {
    each.won -= each.won * fading;
    each.lost -= each.lost * fading;
  }
  if (found == lead_)
    return false;
  change_to(found);
  return true;
}

expert judge::best(std::uint32_t entries) const noexcept {
  auto found = lead_;
  auto most = change_price_ * entries * mean_worth_;
  for (std::size_t i = 0; i < expert_count; ++i) {
    auto [won, lost] = records_[i];
    auto ahead = won - lost;
    auto noise = std::sqrt((won + lost) * mean_worth_);
    if (ahead > most && ahead > sure_deviations * noise) {
      most = ahead;
      found = static_cast<expert>(i);
    }
  }
  return found;
}

// Differences are kept, now against the new lead; what is not known of them,
// how often two others differed, is taken to be the most it can.
void judge::change_to(expert lead) noexcept {
  auto base = records_[static_cast<std::size_t>(lead)];
  for (auto& each : records_) {
    auto ahead = (each.won - each.lost) - (base.won - base.lost);
    auto all = each.won + each.lost + base.won + base.lost;
    each.won = std::max(0.0, (all + ahead) / 2);
    each.lost = std::max(0.0, (all - ahead) / 2);
  }
  records_[static_cast<std::size_t>(lead)] = {};
  lead_ = lead;
}

adaptive_cache::adaptive_cache(const cache_options& options)
  : options_{options}, judge_{first_lead(options),
                              options.unit == capacity_unit::bytes
                                ? sized_change_price
                                : change_price},
    real_{options.limit, options.unit == capacity_unit::bytes, judge_.lead(),
          sketch_} {
  auto by_bytes = options.unit == capacity_unit::bytes;
  auto experts = by_bytes ? expert_count : expert_count - 1;
  shadows_.reserve(experts);
  for (std::size_t i = 0; i < experts; ++i)
    shadows_.emplace_back(options.limit, by_bytes, static_cast<expert>(i),
                          sample_sketch_);
}

bool adaptive_cache::request(std::uint64_t key, std::uint32_t size) {
  auto by_bytes = options_.unit == capacity_unit::bytes;
  policy::request what{key, spread(key), by_bytes ? size : 1, ++now_};
  sketch_.add(what.hash);
  if (is_sampled(what.hash))
    learn(what);
  if (what.size > options_.limit)
    return false;
  auto hit = real_.request_one(what);
  if (!hit) {
    sketch_.fit(count());
    if (count() >> (sample_shift_ + 1) >= sample_count)
      thin_sample();
  }
  return hit;
}

bool adaptive_cache::is_sampled(std::uint64_t hash) const noexcept {
  // Bits that the tables of the shadows make no use of.
  constexpr unsigned highest = 63;
  return (hash >> (highest - sample_shift_)) <= 1;
}

void adaptive_cache::learn(const policy::request& what) {
  sample_sketch_.add(what.hash);
  unsigned hits = 0;
  for (std::size_t i = 0; i < shadows_.size(); ++i)
    if (what.size <= shadows_[i].all().limit() && shadows_[i].request_one(what))
      hits |= 1U << i;
  auto entries =
    shadows_[static_cast<std::size_t>(judge_.lead())].all().count();
  sample_sketch_.fit(entries);
  auto worth = options_.aim == objective::byte_hits ? what.size : 1.0;
  if (judge_.note(hits, worth, entries))
    real_.follow(judge_.lead());
}

void adaptive_cache::thin_sample() {
  ++sample_shift_;
  auto limit = std::max<std::uint64_t>(options_.limit >> sample_shift_, 1);
  for (auto& shadow : shadows_)
    shadow.thin(limit, [this](std::uint64_t hash) { return is_sampled(hash); });
}

bool adaptive_cache::contains(std::uint64_t key) const {
  return real_.all().find(key, spread(key)) != no_node;
}

void adaptive_cache::prefetch(std::uint64_t key) const {
  real_.all().prefetch(spread(key));
}

std::uint64_t adaptive_cache::limit() const {
  return options_.limit;
}

std::uint64_t adaptive_cache::weight() const {
  return real_.all().weight();
}

std::uint64_t adaptive_cache::count() const {
  return real_.all().count();
}

std::size_t adaptive_cache::memory_bytes() const {
  auto bytes = sizeof(*this) + sketch_.memory_bytes()
               + sample_sketch_.memory_bytes() + real_.memory_bytes();
  for (auto& shadow : shadows_)
    bytes += sizeof(shadow) + shadow.memory_bytes();
  return bytes;
}

} // namespace neuroplex::memory::policy
