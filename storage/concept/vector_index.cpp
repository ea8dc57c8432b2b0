#include "storage/concept/vector_index.hpp"

#include "storage/concept/vector_compare.hpp"
#include "storage/concept/walk.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace neuroplex::concepts {

namespace {

constexpr std::size_t rounds_of_training = 8;
constexpr std::size_t least_lists = 16;
constexpr std::size_t most_lists = 4096;
constexpr std::size_t sample_queries = 40;
constexpr std::size_t sample_results = 10;

/// Candidates that are compared exactly, for so many wanted ones.
constexpr std::size_t candidates_for(std::size_t count) noexcept {
  constexpr std::size_t factor = 16;
  constexpr std::size_t least = 64;
  return count * factor + least;
}

/// Concepts that are looked at in one version before a newer one is taken.
constexpr concept_slot slots_a_version = 16'384;

failure stopped() {
  return {errc::deadline, "the index of vectors: stopped before it was made"};
}

/// Half of the square of each vector's length.
std::vector<float> half_squares(std::span<const float> vectors,
                                std::size_t size) {
  std::vector<float> halves;
  for (std::size_t at = 0; at < vectors.size(); at += size) {
    auto one = vectors.subspan(at, size);
    halves.push_back(compare(one, one.data()).norm / 2);
  }
  return halves;
}

/// The nearest of `halves.size()` vectors by Euclidean distance.
std::size_t nearest_of(std::span<const float> vectors,
                       std::span<const float> halves,
                       std::span<const float> of) noexcept {
  std::size_t best = 0;
  auto best_score = -std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < halves.size(); ++i) {
    auto score = compare(of, vectors.data() + i * of.size()).dot - halves[i];
    if (score > best_score) {
      best_score = score;
      best = i;
    }
  }
  return best;
}

/// `count` centres of vectors of `size` (Lloyd 1982, "Least squares
/// quantization in PCM"). One that is nobody's nearest becomes one of the
/// vectors.
std::vector<float> k_means(std::span<const float> vectors, std::size_t size,
                           std::size_t count, std::mt19937_64& random) {
  auto vector_count = vectors.size() / size;
  auto any = [&] {
    return vectors.subspan(random() % vector_count * size, size);
  };
  std::vector<float> centres;
  for (std::size_t i = 0; i < count; ++i) {
    auto chosen = any();
    centres.insert(centres.end(), chosen.begin(), chosen.end());
  }
  for (std::size_t round = 0; round < rounds_of_training; ++round) {
    auto halves = half_squares(centres, size);
    std::vector<double> sums(centres.size());
    std::vector<std::size_t> members(count);
    for (std::size_t at = 0; at < vectors.size(); at += size) {
      auto one = vectors.subspan(at, size);
      auto nearest = nearest_of(centres, halves, one);
      ++members[nearest];
      for (std::size_t i = 0; i < size; ++i)
        sums[nearest * size + i] += one[i];
    }
    for (std::size_t c = 0; c < count; ++c) {
      auto fresh = any();
      for (std::size_t i = 0; i < size; ++i)
        centres[c * size + i] =
          members[c] == 0
            ? fresh[i]
            : static_cast<float>(sums[c * size + i]
                                 / static_cast<double>(members[c]));
    }
  }
  return centres;
}

} // namespace

std::optional<std::uint64_t>
vector_index::unknown(const graph_version& in) const noexcept {
  if (in.vector_epoch != epoch_ || in.dimensions != dimensions_
      || in.number < version_)
    return std::nullopt;
  return in.vector_log.size() - known_;
}

/// Writes a vector with length 1 and zeros behind it; answers its length.
float vector_index::unit(const float* from, float* to) const noexcept {
  std::span<const float> one{from, dimensions_};
  auto length = std::sqrt(compare(one, from).norm);
  auto factor = length > 0 ? 1 / length : 0;
  for (std::size_t i = 0; i < dimensions_; ++i)
    to[i] = from[i] * factor;
  std::fill(to + dimensions_, to + padded_, 0.0F);
  return length;
}

std::size_t vector_index::nearest_centre(const float* of) const noexcept {
  return nearest_of(centres_, centre_halves_, {of, padded_});
}

/// Centres, then codebooks for what is left without them. `sample`: vectors of
/// length 1.
void vector_index::train(std::span<const float> sample, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  centres_ = k_means(sample, padded_, lists_.size(), random);
  centre_halves_ = half_squares(centres_, padded_);
  std::vector<float> rest{sample.begin(), sample.end()};
  for (std::size_t at = 0; at < rest.size(); at += padded_) {
    auto nearest = centre(nearest_centre(rest.data() + at));
    for (std::size_t i = 0; i < padded_; ++i)
      rest[at + i] -= nearest[i];
  }
  // Fewer are enough for 256 entries than for all centres.
  auto sampled = rest.size() / padded_;
  auto used = std::min(sampled, std::max(sampled / 4, 2 * codebook_entries));
  std::vector<float> part(used * part_dimensions);
  codebooks_.clear();
  codebook_halves_.clear();
  for (std::size_t p = 0; p < parts_; ++p) {
    for (std::size_t i = 0; i < used; ++i)
      std::copy_n(rest.data() + i * padded_ + p * part_dimensions,
                  part_dimensions, part.data() + i * part_dimensions);
    auto entries = k_means(part, part_dimensions, codebook_entries, random);
    auto halves = half_squares(entries, part_dimensions);
    codebook_halves_.insert(codebook_halves_.end(), halves.begin(),
                            halves.end());
    // By dimension, so that one loop goes over all entries.
    for (std::size_t d = 0; d < part_dimensions; ++d)
      for (std::size_t e = 0; e < codebook_entries; ++e)
        codebooks_.push_back(entries[e * part_dimensions + d]);
  }
}

/// For each part, the products of a vector's part with all entries.
std::vector<float> vector_index::dot_table(const float* of) const {
  std::vector<float> table(parts_ * codebook_entries);
  for (std::size_t p = 0; p < parts_; ++p) {
    auto* row = table.data() + p * codebook_entries;
    const auto* book =
      codebooks_.data() + p * part_dimensions * codebook_entries;
    const auto* part = of + p * part_dimensions;
    for (std::size_t d = 0; d < part_dimensions; ++d)
      for (std::size_t e = 0; e < codebook_entries; ++e)
        row[e] += part[d] * book[d * codebook_entries + e];
  }
  return table;
}

void vector_index::add(concept_slot slot, const float* vector,
                       std::span<float> scratch) {
  auto length = unit(vector, scratch.data());
  auto index = nearest_centre(scratch.data());
  auto& to = lists_[index];
  auto nearest = centre(index);
  for (std::size_t i = 0; i < padded_; ++i)
    scratch[i] -= nearest[i];
  auto table = dot_table(scratch.data());
  for (std::size_t p = 0; p < parts_; ++p) {
    const auto* row = table.data() + p * codebook_entries;
    const auto* halves = codebook_halves_.data() + p * codebook_entries;
    std::size_t best = 0;
    for (std::size_t e = 1; e < codebook_entries; ++e)
      if (row[e] - halves[e] > row[best] - halves[best])
        best = e;
    to.codes.push_back(static_cast<std::uint8_t>(best));
  }
  to.slots.push_back(slot);
  to.lengths.push_back(length);
  to.length_sum += length;
}

expected<std::shared_ptr<const vector_index>>
vector_index::make(const version_source& versions,
                   const vector_index_options& options,
                   const std::atomic<bool>& stop) {
  std::shared_ptr<vector_index> made{new vector_index};
  std::vector<float> sample;
  concept_slot slots = 0;
  {
    auto now = versions();
    if (!now)
      return now.error();
    const auto& version = **now;
    made->version_ = version.number;
    made->epoch_ = version.vector_epoch;
    made->known_ = version.vector_log.size();
    made->dimensions_ = version.dimensions;
    made->parts_ = (version.dimensions + part_dimensions - 1) / part_dimensions;
    made->padded_ = made->parts_ * part_dimensions;
    slots = version.records.size();
    if (made->known_ == 0 || made->known_ < options.least_vectors)
      return failure{errc::not_found,
                     "an index of vectors: too few: all are compared"};
    std::mt19937_64 random{options.seed};
    auto wanted = std::min<std::size_t>(options.sample_vectors, made->known_);
    sample.resize(wanted * made->padded_);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < wanted; ++i) {
      auto place = static_cast<std::uint32_t>(random() % made->known_);
      const auto& record = version.records[version.vector_log[place]];
      if (record.in_use() && record.body->dimensions == made->dimensions_)
        (void)made->unit(record.vector().data(),
                         sample.data() + taken++ * made->padded_);
    }
    if (taken == 0)
      return failure{errc::not_found,
                     "an index of vectors: too few: all are compared"};
    sample.resize(taken * made->padded_);
  }
  made->lists_.resize(std::clamp(
    static_cast<std::size_t>(2 * std::sqrt(static_cast<double>(made->known_))),
    least_lists, most_lists));
  made->train(sample, options.seed);
  std::vector<float> scratch(made->padded_);
  for (concept_slot begin = 0; begin < slots; begin += slots_a_version) {
    auto now = versions();
    if (!now)
      return now.error();
    const auto& records = (*now)->records;
    auto end = std::min(slots - begin, slots_a_version) + begin;
    for (auto slot = begin; slot < end; ++slot) {
      if (stop.load(std::memory_order_relaxed))
        return stopped();
      const auto& record = records[slot];
      // What is younger is in the log, beyond what is known.
      if (record.in_use() && record.body->dimensions == made->dimensions_
          && record.body->born <= made->version_)
        made->add(slot, record.vector().data(), scratch);
    }
  }
  for (auto& each : made->lists_) {
    auto& stats = made->stats_;
    each.slots.shrink_to_fit();
    each.lengths.shrink_to_fit();
    each.codes.shrink_to_fit();
    stats.vectors += each.slots.size();
    stats.code_bytes += each.codes.size();
    stats.bytes += each.codes.size()
                   + each.slots.size() * (sizeof(concept_slot) + sizeof(float));
  }
  made->stats_.lists = made->lists_.size();
  made->stats_.plain_bytes =
    made->stats_.vectors * made->dimensions_ * sizeof(float);
  made->stats_.bytes += (made->centres_.size() + made->codebooks_.size()
                         + made->codebook_halves_.size())
                        * sizeof(float);
  auto now = versions();
  if (!now)
    return now.error();
  made->choose_probes(**now, options.wanted_recall, options.seed, stop);
  if (stop.load(std::memory_order_relaxed))
    return stopped();
  return std::shared_ptr<const vector_index>{std::move(made)};
}

/// Half as many lists again until enough of the nearest are found.
void vector_index::choose_probes(const graph_version& in, double wanted_recall,
                                 std::uint64_t seed,
                                 const std::atomic<bool>& stop) {
  struct question {
    concept_slot of;
    std::vector<vector_match> answer;
  };
  const query_bounds unbounded{.max_visited = limits::max_concepts,
                               .max_time = std::chrono::minutes{1}};
  std::mt19937_64 random{seed};
  std::vector<question> questions;
  auto vector_of = [&](concept_slot slot) { return in.records[slot].vector(); };
  for (std::size_t i = 0; i < sample_queries && known_ <= in.vector_log.size();
       ++i) {
    if (stop.load(std::memory_order_relaxed))
      return;
    auto slot = in.vector_log[static_cast<std::uint32_t>(random() % known_)];
    if (!in.records[slot].in_use()
        || in.records[slot].body->dimensions != dimensions_)
      continue;
    // One more than is counted: itself.
    auto nearest = search_vector(in, vector_of(slot), vector_metric::cosine,
                                 sample_results + 1, unbounded);
    questions.push_back({slot, std::move(nearest.found)});
  }
  for (std::size_t probes = 1;; probes += (probes + 1) / 2) {
    probes_ = std::min(probes, lists_.size());
    std::size_t found = 0;
    std::size_t asked = 0;
    for (const auto& each : questions) {
      auto answer = search_lists(in, vector_of(each.of), vector_metric::cosine,
                                 sample_results + 1, probes_, unbounded);
      for (const auto& right : each.answer) {
        if (right.slot == each.of)
          continue;
        ++asked;
        // Another one that is as near is as good.
        found += std::any_of(answer.found.begin(), answer.found.end(),
                             [&](const vector_match& one) {
                               return one.slot == right.slot
                                      || (one.slot != each.of
                                          && one.score == right.score);
                             })
                   ? 1
                   : 0;
      }
    }
    stats_.recall =
      asked == 0 ? 1 : static_cast<double>(found) / static_cast<double>(asked);
    stats_.probes = probes_;
    if (stats_.recall >= wanted_recall || probes_ == lists_.size()
        || stop.load(std::memory_order_relaxed))
      return;
  }
}

/// The best by their codes, among the nearest lists.
std::vector<vector_index::candidate>
vector_index::candidates(std::span<const float> wanted, vector_metric metric,
                         std::size_t count, std::size_t probes,
                         const query_bounds& bounds, bound_hit& hit) const {
  std::vector<float> own(padded_);
  auto own_length = unit(wanted.data(), own.data());
  const auto is_l2 = metric == vector_metric::l2;
  // Larger is nearer: the cosine, or what the squared distance lacks.
  auto score_of = [&](float cosine, float length) {
    return is_l2 ? length * (2 * own_length * cosine - length) : cosine;
  };
  std::vector<probed_list> order;
  for (std::uint32_t i = 0; i < lists_.size(); ++i) {
    if (lists_[i].slots.empty())
      continue;
    auto dot = compare(own, centre(i).data()).dot;
    auto mean = static_cast<float>(
      lists_[i].length_sum / static_cast<double>(lists_[i].slots.size()));
    order.push_back({score_of(dot, mean), dot, i});
  }
  probes = std::min(probes, order.size());
  std::partial_sort(
    order.begin(), order.begin() + static_cast<std::ptrdiff_t>(probes),
    order.end(), [](const probed_list& a, const probed_list& b) {
      return a.score > b.score;
    });
  auto table = dot_table(own.data());
  // A heap whose front is the worst that is kept.
  auto better = [](const candidate& a, const candidate& b) {
    return a.score > b.score;
  };
  std::vector<candidate> kept;
  kept.reserve(count);
  walk_budget budget{bounds};
  for (const auto& probed : std::span{order}.first(probes)) {
    const auto& from = lists_[probed.index];
    const auto* code = from.codes.data();
    for (std::size_t i = 0; i < from.slots.size(); ++i, code += parts_) {
      if (!budget.spend()) {
        hit = budget.hit();
        return kept;
      }
      // Two sums, so that one addition need not wait for the other.
      auto even = probed.dot;
      auto odd = 0.0F;
      std::size_t p = 0;
      for (; p + 1 < parts_; p += 2) {
        even += table[p * codebook_entries + code[p]];
        odd += table[(p + 1) * codebook_entries + code[p + 1]];
      }
      if (p < parts_)
        even += table[p * codebook_entries + code[p]];
      candidate one{score_of(even + odd, from.lengths[i]), from.slots[i]};
      if (kept.size() == count) {
        if (!better(one, kept.front()))
          continue;
        std::pop_heap(kept.begin(), kept.end(), better);
        kept.pop_back();
      }
      kept.push_back(one);
      std::push_heap(kept.begin(), kept.end(), better);
    }
  }
  return kept;
}

vector_result vector_index::search_lists(const graph_version& in,
                                         std::span<const float> wanted,
                                         vector_metric metric,
                                         std::size_t count, std::size_t probes,
                                         const query_bounds& bounds) const {
  vector_result result;
  best_matches best{wanted, metric, count};
  best.expect_repeats();
  auto near = candidates(wanted, metric, candidates_for(count), probes, bounds,
                         result.hit);
  auto compare_one = [&](concept_slot slot) {
    const auto& record = in.records[slot];
    if (record.in_use() && record.body->dimensions == dimensions_)
      best.consider(slot, record.vector().data());
  };
  for (const auto& each : near)
    in.records.prefetch(each.slot);
  for (const auto& each : near)
    compare_one(each.slot);
  walk_budget budget{bounds};
  for (auto at = known_; at < in.vector_log.size(); ++at) {
    if (!budget.spend())
      break;
    compare_one(in.vector_log[at]);
  }
  if (result.hit == bound_hit::none)
    result.hit = budget.hit();
  result.found = best.take();
  return result;
}

vector_result vector_index::search(const graph_version& in,
                                   std::span<const float> wanted,
                                   vector_metric metric, std::size_t count,
                                   const query_bounds& bounds) const {
  count = std::min(count, limits::max_results);
  if (wanted.size() != dimensions_ || count == 0)
    return {};
  // Where so many are wanted, all are compared.
  if (candidates_for(count) >= stats_.vectors)
    return search_vector(in, wanted, metric, count, bounds);
  return search_lists(in, wanted, metric, count, probes_, bounds);
}

} // namespace neuroplex::concepts
