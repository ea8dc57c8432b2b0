#include "cli/bench/segment_bench.hpp"

#include "memory/store.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <random>
#include <unistd.h>

namespace neuroplex::cli {

namespace {

using memory::namespace_id;
using memory::store;
using clock = std::chrono::steady_clock;

constexpr std::size_t key_bytes = 16;
constexpr std::size_t batch_keys = 32;
constexpr auto space = namespace_id::default_namespace;

// Room for entries, their headers and rounding, and slack for updates.
std::uint64_t segment_bytes_for(const bench_options& options) {
  constexpr std::uint64_t overhead_bytes = 96;
  constexpr std::uint64_t base_bytes = std::uint64_t{32} << 20;
  auto entry = options.value_bytes + key_bytes + overhead_bytes;
  return std::clamp(base_bytes + options.entries * entry * 3 / 2,
                    limits::min_segment_bytes, limits::max_segment_bytes);
}

// The file of a benchmark, removed with this object.
class bench_file {
public:
  explicit bench_file(const std::string& directory)
    : path_{directory + "/neuroplex-bench-" + std::to_string(::getpid())} {
  }

  bench_file(const bench_file&) = delete;
  bench_file& operator=(const bench_file&) = delete;

  ~bench_file() {
    ::unlink(path_.c_str());
  }

  [[nodiscard]] const std::string& path() const noexcept {
    return path_;
  }

private:
  std::string path_;
};

using key_text = std::array<char, key_bytes>;

// "0000000000000042": fixed width, so that all keys cost the same.
key_text make_key(std::uint64_t number) {
  key_text text;
  for (auto at = text.rbegin(); at != text.rend(); ++at, number /= 10)
    *at = static_cast<char>('0' + number % 10);
  return text;
}

std::string_view view(const key_text& key) {
  return {key.data(), key.size()};
}

class bench {
public:
  bench(store& data, const bench_options& options)
    : data_{data}, options_{options},
      value_(options.value_bytes, 'v'), clock_cost_{measure_clock_cost()} {
  }

  expected<void> fill() {
    return measure("set new", options_.entries, [this](std::uint64_t i) {
      return data_.set(space, view(make_key(i)), value_);
    });
  }

  expected<void> set() {
    return measure("set", options_.operations, [this](std::uint64_t) {
      return data_.set(space, view(random_key()), value_);
    });
  }

  expected<void> get() {
    return measure("get", options_.operations, [this](std::uint64_t) {
      return data_.get(space, view(random_key()), read_);
    });
  }

  expected<void> get_absent() {
    return measure("get absent", options_.operations, [this](std::uint64_t i) {
      auto code = data_.get(space, view(make_key(options_.entries + i)), read_);
      return code == errc::not_found ? errc::ok : code;
    });
  }

  expected<void> increment() {
    return measure("incr", options_.operations, [this](std::uint64_t) {
      std::int64_t sum = 0;
      return data_.increment(space, "bench counter", 1, sum);
    });
  }

  expected<void> get_many() {
    std::array<key_text, batch_keys> keys;
    std::array<memory::get_request, batch_keys> requests;
    auto found = measure("get_many of 32", options_.operations / batch_keys,
                         [&](std::uint64_t) {
                           for (std::size_t i = 0; i < batch_keys; ++i) {
                             keys[i] = random_key();
                             requests[i].key = view(keys[i]);
                           }
                           return data_.get_many(space, requests);
                         });
    return divide_last(std::move(found));
  }

  expected<void> set_many() {
    std::array<key_text, batch_keys> keys;
    std::array<memory::set_request, batch_keys> requests;
    auto found = measure("set_many of 32", options_.operations / batch_keys,
                         [&](std::uint64_t) {
                           for (std::size_t i = 0; i < batch_keys; ++i) {
                             keys[i] = random_key();
                             requests[i].key = view(keys[i]);
                             requests[i].value = value_;
                           }
                           return data_.set_many(space, requests);
                         });
    return divide_last(std::move(found));
  }

  [[nodiscard]] std::vector<bench_row> take_rows() {
    return std::move(rows_);
  }

private:
  key_text random_key() {
    return make_key(random_() % options_.entries);
  }

  template <class Operation>
  expected<void> measure(const std::string& name, std::uint64_t count,
                         Operation operation) {
    latency_samples samples{count};
    std::chrono::nanoseconds total{};
    for (std::uint64_t i = 0; i < count; ++i) {
      auto begin = clock::now();
      auto code = operation(i);
      auto taken = clock::now() - begin;
      if (code != errc::ok)
        return failure{code,
                       "bench: " + name + ": " + std::string{describe(code)}};
      samples.add(taken);
      total += taken - clock_cost_;
    }
    auto mean = count == 0 ? 0.0
                           : static_cast<double>(total.count())
                               / static_cast<double>(count);
    rows_.push_back({name, samples.summary(clock_cost_), std::max(mean, 0.0)});
    return {};
  }

  // A batch is told a key.
  expected<void> divide_last(expected<void> measured) {
    if (!measured)
      return measured;
    auto& row = rows_.back();
    constexpr double keys = batch_keys;
    row.operation += ", a key";
    row.mean_ns /= keys;
    row.latency.p50_ns /= keys;
    row.latency.p99_ns /= keys;
    row.latency.worst_ns /= keys;
    return measured;
  }

  store& data_;
  const bench_options& options_;
  std::string value_;
  std::string read_;
  std::chrono::nanoseconds clock_cost_;
  std::mt19937_64 random_{1}; // the same keys in every run
  std::vector<bench_row> rows_;
};

} // namespace

expected<bench_report>
run_segment_bench(const bench_options& options,
                  const std::function<bool(const std::string&)>& step) {
  bench_file file{options.directory};
  auto data =
    store::create(file.path(), {.segment_bytes = segment_bytes_for(options),
                                .max_entries = options.entries,
                                .huge_pages = options.huge_pages});
  if (!data)
    return data.error();
  bench run{*data, options};
  using step_function = expected<void> (bench::*)();
  const std::pair<const char*, step_function> steps[] = {
    {"set new", &bench::fill},          {"get", &bench::get},
    {"get absent", &bench::get_absent}, {"set", &bench::set},
    {"incr", &bench::increment},        {"get_many", &bench::get_many},
    {"set_many", &bench::set_many},
  };
  for (auto& [name, function] : steps) {
    if (!step(name))
      return failure{errc::deadline, "bench: interrupted: nothing to tell"};
    if (auto measured = (run.*function)(); !measured)
      return measured.error();
  }
  auto stats = data->stats();
  return bench_report{run.take_rows(), stats.segment_bytes,
                      data->huge_page_bytes()};
}

} // namespace neuroplex::cli
