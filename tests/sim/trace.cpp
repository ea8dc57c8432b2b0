#include "tests/sim/trace.hpp"

#include <array>

#include <xxhash.h>

namespace neuroplex::sim {

void trace::note(nanoseconds now, std::string_view what, std::uint64_t a,
                 std::uint64_t b, std::uint64_t c) noexcept {
  const std::array<std::uint64_t, 5> words{
    static_cast<std::uint64_t>(now.count()),
    XXH3_64bits(what.data(), what.size()), a, b, c};
  hash_ = XXH3_64bits_withSeed(words.data(), sizeof words, hash_);
  ++notes_;
  if (listener_ != nullptr) {
    std::fprintf(
      listener_, "%12.6f ms  %.*s %llu %llu %llu\n",
      static_cast<double>(now.count()) / 1e6, static_cast<int>(what.size()),
      what.data(), static_cast<unsigned long long>(a),
      static_cast<unsigned long long>(b), static_cast<unsigned long long>(c));
  }
}

void trace::print(nanoseconds now, const std::string& line) const noexcept {
  std::fprintf(listener_, "%12.6f ms  %s\n",
               static_cast<double>(now.count()) / 1e6, line.c_str());
}

} // namespace neuroplex::sim
