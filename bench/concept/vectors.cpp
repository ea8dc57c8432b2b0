// What a search by vector costs with an index and without one, and what it
// finds; beside hnswlib where that is installed.
//
// The vectors are those of WordNet's 117,659 glosses, by latent semantic
// analysis (Deerwester et al. 1990, "Indexing by latent semantic analysis"):
// the words of a gloss, weighted by how rare they are, in the 128 directions in
// which glosses differ most. So they are as near and as far from each other as
// texts are. `plain` leaves the analysis out and projects on random directions,
// in which nothing is near: the worst there is.
//
// usage: bench_concept_vectors [questions] [plain]   (200)
#include "bench/memory/clock.hpp"
#include "storage/concept/graph.hpp"
#include "storage/concept/read_view.hpp"
#include "storage/concept/vector_index.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#if __has_include(<hnswlib/hnswlib.h>)
#include <hnswlib/hnswlib.h>
#define NEUROPLEX_BENCH_HNSWLIB 1
#endif

namespace {

using namespace neuroplex;
using namespace neuroplex::concepts;

constexpr std::size_t dimensions = 128;
constexpr std::size_t wanted_results = 10;

void check(bool right) {
  if (right)
    return;
  std::fprintf(stderr, "bench_concept_vectors: an answer is not what it should "
                       "be\n");
  std::exit(1);
}

std::vector<std::vector<std::string>> read_glosses() {
  std::vector<std::vector<std::string>> glosses;
  for (const auto* part : {"noun", "verb", "adj", "adv"}) {
    std::ifstream file{"/usr/share/wordnet/data." + std::string{part}};
    for (std::string line; std::getline(file, line);) {
      auto bar = line.find(" | ");
      if (line.starts_with("  ") || bar == std::string::npos)
        continue;
      auto& words = glosses.emplace_back();
      std::string word;
      for (auto c : line.substr(bar + 3) + ' ')
        if (std::isalpha(static_cast<unsigned char>(c)) != 0)
          word.push_back(static_cast<char>(c | 0x20));
        else if (!word.empty())
          words.push_back(std::exchange(word, {}));
    }
  }
  return glosses;
}

/// A gloss as its words with their weights.
struct weighted_word {
  std::size_t word;
  float weight;
};
using weighted_words = std::vector<weighted_word>;

std::vector<weighted_words>
weigh(const std::vector<std::vector<std::string>>& glosses,
      std::size_t& vocabulary) {
  std::unordered_map<std::string_view, std::size_t> numbers;
  std::vector<std::size_t> glosses_with;
  for (const auto& words : glosses)
    for (auto word :
         std::unordered_set<std::string_view>{words.begin(), words.end()}) {
      auto [at, is_new] = numbers.try_emplace(word, glosses_with.size());
      if (is_new)
        glosses_with.push_back(0);
      ++glosses_with[at->second];
    }
  vocabulary = glosses_with.size();
  std::vector<weighted_words> weighted;
  for (const auto& words : glosses) {
    auto& result = weighted.emplace_back();
    for (const auto& word : words) {
      auto number = numbers[word];
      auto rarity = std::log(static_cast<double>(glosses.size())
                             / static_cast<double>(glosses_with[number]));
      result.push_back({number, static_cast<float>(rarity)});
    }
  }
  return weighted;
}

using vector_row = std::array<float, dimensions>;

/// Makes the columns orthogonal and of length 1 (Gram and Schmidt).
void orthonormalise(std::vector<vector_row>& rows) {
  for (std::size_t column = 0; column < dimensions; ++column) {
    std::array<double, dimensions> dots{};
    for (const auto& each : rows)
      for (std::size_t other = 0; other <= column; ++other)
        dots[other] += double{each[other]} * each[column];
    auto square = dots[column];
    for (std::size_t other = 0; other < column; ++other)
      square -= dots[other] * dots[other];
    auto scale = 1 / std::sqrt(std::max(square, 1e-12));
    for (auto& each : rows) {
      double left = each[column];
      for (std::size_t other = 0; other < column; ++other)
        left -= dots[other] * each[other];
      each[column] = static_cast<float>(left * scale);
    }
  }
}

/// By `rounds` of subspace iteration from random directions.
std::vector<std::vector<float>>
embed(const std::vector<std::vector<std::string>>& glosses, int rounds) {
  std::size_t vocabulary = 0;
  auto weighted = weigh(glosses, vocabulary);
  std::vector<vector_row> directions(vocabulary);
  std::mt19937_64 random{3};
  std::normal_distribution<float> normal;
  for (auto& each : directions)
    for (auto& x : each)
      x = normal(random);
  auto project = [&](const weighted_words& words) {
    vector_row sum{};
    for (auto [word, weight] : words)
      for (std::size_t i = 0; i < dimensions; ++i)
        sum[i] += weight * directions[word][i];
    return sum;
  };
  for (int round = 0; round < rounds; ++round) {
    std::vector<vector_row> next(vocabulary);
    for (const auto& words : weighted) {
      auto image = project(words);
      for (auto [word, weight] : words)
        for (std::size_t i = 0; i < dimensions; ++i)
          next[word][i] += weight * image[i];
    }
    directions = std::move(next);
    orthonormalise(directions);
  }
  std::vector<std::vector<float>> vectors;
  for (const auto& words : weighted) {
    auto image = project(words);
    double square = 0;
    for (auto x : image)
      square += double{x} * x;
    for (auto& x : image)
      x = static_cast<float>(x / std::sqrt(std::max(square, 1e-9)));
    vectors.emplace_back(image.begin(), image.end());
  }
  return vectors;
}

using answer = std::vector<vector_match>;

/// The median of what the questions took, and the share of right answers.
template <class Ask>
double measure(const char* name, std::span<const std::vector<float>> questions,
               std::span<const answer> right, double all_us, Ask&& ask) {
  std::vector<double> times;
  std::size_t found = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    auto begin = bench::thread_cpu_ns();
    auto slots = ask(questions[i]);
    times.push_back((bench::thread_cpu_ns() - begin) / 1e3);
    for (const auto& one : right[i])
      found += std::find(slots.begin(), slots.end(), one.slot) != slots.end();
  }
  std::sort(times.begin(), times.end());
  auto median = times[times.size() / 2];
  std::printf("%-28s %9.1f us  %6.1f times as fast as all  recall@10 %.3f\n",
              name, median, all_us == 0 ? 1 : all_us / median,
              static_cast<double>(found)
                / static_cast<double>(questions.size() * wanted_results));
  return median;
}

std::vector<concept_slot> slots_of(const answer& found) {
  std::vector<concept_slot> slots;
  for (const auto& each : found)
    slots.push_back(each.slot);
  return slots;
}

#ifdef NEUROPLEX_BENCH_HNSWLIB
void measure_hnswlib(std::span<const std::vector<float>> vectors,
                     std::span<const std::vector<float>> questions,
                     std::span<const answer> right, double all_us) {
  constexpr std::size_t links = 16;
  constexpr std::size_t width = 200;
  hnswlib::InnerProductSpace space{dimensions};
  hnswlib::HierarchicalNSW<float> index{&space, vectors.size(), links, width};
  auto begin = bench::thread_cpu_ns();
  for (std::size_t i = 0; i < vectors.size(); ++i)
    index.addPoint(vectors[i].data(), i);
  std::printf("hnswlib, M 16, made in %.1f s of one thread\n",
              (bench::thread_cpu_ns() - begin) / 1e9);
  for (std::size_t searched : {50U, 100U, 200U, 400U, 800U}) {
    index.setEf(searched);
    auto name = "hnswlib, ef " + std::to_string(searched);
    measure(name.c_str(), questions, right, all_us,
            [&](const std::vector<float>& of) {
              std::vector<concept_slot> slots;
              auto found = index.searchKnn(of.data(), wanted_results);
              for (; !found.empty(); found.pop())
                slots.push_back(static_cast<concept_slot>(found.top().second));
              return slots;
            });
  }
}
#endif

} // namespace

int main(int argument_count, char** arguments) {
  auto count = argument_count > 1 ? std::strtoull(arguments[1], nullptr, 10)
                                  : std::uint64_t{200};
  constexpr int rounds = 4;
  auto is_plain =
    argument_count > 2 && std::string_view{arguments[2]} == "plain";
  auto vectors = embed(read_glosses(), is_plain ? 0 : rounds);
  if (vectors.empty()) {
    std::fprintf(stderr, "bench_concept_vectors: /usr/share/wordnet: no data.* "
                         "there: install wordnet-base\n");
    return 1;
  }
  // Questions are glosses that the graph does not have.
  std::mt19937_64 random{1};
  std::shuffle(vectors.begin(), vectors.end(), random);
  count = std::min<std::uint64_t>(std::max<std::uint64_t>(count, 1),
                                  vectors.size() / 2);
  std::vector<std::vector<float>> questions{
    vectors.end() - static_cast<std::ptrdiff_t>(count), vectors.end()};
  vectors.resize(vectors.size() - count);
  graph store{7};
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    write_entry entry;
    check(make_learn_concept({i * 0x9E37'79B9'7F4A'7C15U, i},
                             {.vector = vectors[i]}, entry)
          == errc::ok);
    check(store.apply(entry, 0) == errc::ok);
  }
  std::vector<retired_block> left;
  read_view view{store.publish(1, 0, left)};
  auto now = view.load();
  check(static_cast<bool>(now));
  std::printf("%zu vectors of %zu dimensions, %zu questions\n", vectors.size(),
              dimensions, questions.size());
  std::vector<answer> right;
  right.reserve(questions.size());
  for (const auto& each : questions)
    right.push_back(
      search_vector(**now, each, vector_metric::cosine, wanted_results, {})
        .found);
  auto all_us = measure(
    "all compared", questions, right, 0, [&](const std::vector<float>& of) {
      return slots_of(
        search_vector(**now, of, vector_metric::cosine, wanted_results, {})
          .found);
    });
  std::atomic<bool> stop{false};
  auto begin = bench::thread_cpu_ns();
  auto made = vector_index::make([&] { return view.load(); }, {}, stop);
  check(static_cast<bool>(made));
  const auto& stats = (*made)->stats();
  std::printf(
    "index made in %.1f s of one thread: %llu of %llu lists a search, "
    "codes %.1f times and the whole %.1f times smaller than the "
    "vectors, recall of its sample %.3f\n",
    (bench::thread_cpu_ns() - begin) / 1e9,
    static_cast<unsigned long long>(stats.probes),
    static_cast<unsigned long long>(stats.lists),
    static_cast<double>(stats.plain_bytes)
      / static_cast<double>(stats.code_bytes),
    static_cast<double>(stats.plain_bytes) / static_cast<double>(stats.bytes),
    stats.recall);
  measure("index", questions, right, all_us, [&](const std::vector<float>& of) {
    return slots_of(
      (*made)
        ->search(**now, of, vector_metric::cosine, wanted_results, {})
        .found);
  });
#ifdef NEUROPLEX_BENCH_HNSWLIB
  measure_hnswlib(vectors, questions, right, all_us);
#else
  std::printf("hnswlib: not installed (libhnswlib-dev), left out\n");
#endif
}
