// Repeats a libFuzzer target's inputs, and bytes not far from them, without
// libFuzzer: the same ones on every machine. An input is a line of hexadecimal
// digits. What a target does not survive is printed as such a line, to be added
// to the file.
#include "tests/sim/dice.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace {

using neuroplex::sim::dice;
using input = std::vector<std::uint8_t>;

constexpr std::size_t changed_a_run = 20'000;
constexpr std::size_t most_bytes = 4096;

// What is under test, for the signal handler.
const input* present = nullptr;

void tell_and_die(int signal) {
  constexpr std::string_view digits = "0123456789abcdef";
  constexpr std::string_view found = "does not survive ";
  (void)!::write(STDERR_FILENO, found.data(), found.size());
  for (auto byte : *present) {
    const std::array pair{digits[byte >> 4], digits[byte & 15], '\0'};
    (void)!::write(STDERR_FILENO, pair.data(), 2);
  }
  (void)!::write(STDERR_FILENO, "\n", 1);
  std::signal(signal, SIG_DFL);
  (void)std::raise(signal);
}

bool parse(std::string_view line, input& result) {
  if (line.size() % 2 != 0)
    return false;
  for (std::size_t i = 0; i < line.size(); i += 2) {
    std::uint8_t byte = 0;
    const auto* end = line.data() + i + 2;
    auto [stopped, wrong] = std::from_chars(end - 2, end, byte, 16);
    if (wrong != std::errc{} || stopped != end)
      return false;
    result.push_back(byte);
  }
  return true;
}

void change(input& bytes, const std::vector<input>& all, dice& chance) {
  auto place = [&] { return chance.below(bytes.size() + 1); };
  auto at = [&](std::size_t offset) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  auto from = place();
  auto to = place();
  if (from > to)
    std::swap(from, to);
  switch (chance.below(6)) {
    case 0:
      if (from < bytes.size())
        bytes[from] ^= static_cast<std::uint8_t>(1U << chance.below(8));
      break;
    case 1:
      if (from < bytes.size())
        bytes[from] = static_cast<std::uint8_t>(chance.below(256));
      break;
    case 2: // a length or count, as large or as small as it can be
      std::fill(at(from), at(std::min(from + 4, bytes.size())),
                chance.below(2) == 0 ? std::uint8_t{0} : std::uint8_t{255});
      break;
    case 3:
      bytes.erase(at(from), at(to));
      break;
    case 4: {
      const input twice(at(from), at(to));
      bytes.insert(at(to), twice.begin(), twice.end());
      break;
    }
    default: {
      const auto& other = all[chance.below(all.size())];
      bytes.resize(from);
      auto middle = chance.below(other.size() + 1);
      bytes.insert(bytes.end(),
                   other.begin() + static_cast<std::ptrdiff_t>(middle),
                   other.end());
    }
  }
  if (bytes.size() > most_bytes)
    bytes.resize(most_bytes);
}

void run(const input& bytes) {
  present = &bytes;
  // A copy of exactly this size, so that a sanitizer sees its end.
  const input exact{bytes};
  (void)LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FILE\n", argv[0]);
    return 2;
  }
  std::ifstream file{argv[1]};
  std::vector<input> all;
  std::string line;
  while (std::getline(file, line))
    if (input bytes; parse(line, bytes)) {
      all.push_back(std::move(bytes));
    } else {
      std::fprintf(stderr, "%s: no hexadecimal digits: %s\n", argv[1],
                   line.c_str());
      return 2;
    }
  if (all.empty()) {
    std::fprintf(stderr, "%s: no inputs\n", argv[1]);
    return 2;
  }
  for (auto signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    std::signal(signal, tell_and_die);
  for (const auto& each : all)
    run(each);
  dice chance{1};
  for (std::size_t i = 0; i < changed_a_run; ++i) {
    auto bytes = all[chance.below(all.size())];
    for (auto changes = 1 + chance.below(4); changes > 0; --changes)
      change(bytes, all, chance);
    run(bytes);
  }
  std::printf("%zu inputs, and %zu like them\n", all.size(), changed_a_run);
}
