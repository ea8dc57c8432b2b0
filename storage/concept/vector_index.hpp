// An index of the vectors of a graph, for graphs with very many.
//
// Purpose: nearest vectors without looking at all: an inverted file with
// product quantisation (Jegou, Douze and Schmid 2011, "Product quantization for
// nearest neighbor search", IEEE TPAMI 33). Vectors lie in lists by the nearest
// of some centres. In a list each is a byte for four dimensions, which names
// the nearest of 256 entries of a codebook to what is left when the centre is
// taken off. A search scores the codes of the nearest lists, and compares the
// best of these exactly, with what the version that is asked holds.
//
// How many lists a search looks at is found while the index is made, by
// searching for a sample of its own vectors until the answers are right as
// often as is wanted.
//
// An index is made once, from a version or some in a row, and serves later ones
// too: what was learnt since is in the version's `vector_log`, and compared as
// it is. So it is never wrong, only slower with time, until it is made anew.
//
// Ownership and threads: an index never changes; any thread that holds a
// snapshot may search. It holds none itself.
//
// Invariants: every score is exact. What was learnt after the index was begun
// is always compared.
//
// Failure behaviour: `deadline` when making it was stopped; `not_found` when
// there are too few vectors.
#pragma once

#include "storage/concept/query.hpp"
#include "storage/concept/read_view.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace neuroplex::concepts {

struct vector_index_options {
  /// Vectors below which all are compared, and no index is made.
  std::size_t least_vectors = 20'000;
  /// Of the ten nearest, the share that a search is to find.
  double wanted_recall = 0.97;
  /// Vectors that centres are learnt from; codebooks take a quarter of them.
  std::size_t sample_vectors = 32'768;
  /// Chance for samples.
  std::uint64_t seed = 1;
};

struct vector_index_stats {
  std::uint64_t vectors = 0;
  std::uint64_t lists = 0;
  std::uint64_t probes = 0;      ///< lists that a search looks at
  std::uint64_t code_bytes = 0;  ///< of the codes
  std::uint64_t plain_bytes = 0; ///< what the vectors take as they are
  std::uint64_t bytes = 0;       ///< of the whole index
  double recall = 0;             ///< of the ten nearest, of the sample
};

class vector_index {
public:
  /// Where versions come from; asked for a newer one now and then, so that none
  /// is held long.
  using version_source = std::function<expected<snapshot>()>;

  /// Takes seconds for a million vectors, and copies at most some thousands.
  static expected<std::shared_ptr<const vector_index>>
  make(const version_source& versions, const vector_index_options& options,
       const std::atomic<bool>& stop);

  /// How many vectors were learnt since, or nothing if the version is not one
  /// that this index serves.
  [[nodiscard]] std::optional<std::uint64_t>
  unknown(const graph_version& in) const noexcept;

  /// The `count` concepts whose vectors are nearest, probably; scores are
  /// exact. `in` must be a version that it serves.
  [[nodiscard]] vector_result search(const graph_version& in,
                                     std::span<const float> wanted,
                                     vector_metric metric, std::size_t count,
                                     const query_bounds& bounds) const;

  [[nodiscard]] const vector_index_stats& stats() const noexcept {
    return stats_;
  }

private:
  static constexpr std::size_t part_dimensions = 4;
  static constexpr std::size_t codebook_entries = 256;

  struct list {
    std::vector<concept_slot> slots;
    std::vector<float> lengths;
    std::vector<std::uint8_t> codes; ///< `parts_` for each
    double length_sum = 0;
  };

  struct candidate {
    float score; ///< larger is nearer
    concept_slot slot;
  };

  struct probed_list {
    float score;
    float dot; ///< of its centre and the wanted vector, both of length 1
    std::uint32_t index;
  };

  vector_index() = default;

  [[nodiscard]] std::span<const float>
  centre(std::size_t index) const noexcept {
    return {centres_.data() + index * padded_, padded_};
  }

  void train(std::span<const float> sample, std::uint64_t seed);
  [[nodiscard]] float unit(const float* from, float* to) const noexcept;
  [[nodiscard]] std::size_t nearest_centre(const float* of) const noexcept;
  void add(concept_slot slot, const float* vector, std::span<float> scratch);
  [[nodiscard]] std::vector<float> dot_table(const float* of) const;
  [[nodiscard]] std::vector<candidate>
  candidates(std::span<const float> wanted, vector_metric metric,
             std::size_t count, std::size_t probes, const query_bounds& bounds,
             bound_hit& hit) const;
  [[nodiscard]] vector_result
  search_lists(const graph_version& in, std::span<const float> wanted,
               vector_metric metric, std::size_t count, std::size_t probes,
               const query_bounds& bounds) const;
  void choose_probes(const graph_version& in, double wanted_recall,
                     std::uint64_t seed, const std::atomic<bool>& stop);

  std::uint64_t version_ = 0; ///< the first that it does not know all of
  std::uint64_t epoch_ = 0;
  std::uint32_t known_ = 0; ///< of the vector log
  std::size_t dimensions_ = 0;
  std::size_t padded_ = 0; ///< a multiple of part_dimensions
  std::size_t parts_ = 0;
  std::size_t probes_ = 1;
  std::vector<float> centres_;         ///< `padded_` each
  std::vector<float> centre_halves_;   ///< half of each one's square
  std::vector<float> codebooks_;       ///< by part, dimension, entry
  std::vector<float> codebook_halves_; ///< by part, entry
  std::vector<list> lists_;
  vector_index_stats stats_;
};

} // namespace neuroplex::concepts
