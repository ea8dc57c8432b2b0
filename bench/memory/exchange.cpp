#include "bench/memory/exchange.hpp"

#include "bench/memory/machine.hpp"
#include "bench/memory/store_subject.hpp"

#include <vector>

namespace neuroplex::bench {

namespace {

constexpr std::size_t message_bytes = 64;
constexpr std::string_view key_there = "exchange-there-a";
constexpr std::string_view key_back = "exchange-back--b";

struct message {
  std::array<char, message_bytes> bytes{};

  void number(std::uint64_t round) noexcept {
    std::memcpy(bytes.data(), &round, sizeof round);
  }

  [[nodiscard]] std::uint64_t number() const noexcept {
    std::uint64_t round = 0;
    std::memcpy(&round, bytes.data(), sizeof round);
    return round;
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return {bytes.data(), bytes.size()};
  }
};

/// Spins until `arrived()`; ends the program after ten seconds.
template <class Arrived>
void spin(Arrived&& arrived) {
  constexpr double patience_ns = 10e9;
  constexpr unsigned tries_a_look = 1U << 20;
  auto deadline = 0.0;
  for (;;) {
    for (unsigned i = 0; i < tries_a_look; ++i)
      if (arrived())
        return;
    auto now = wall_ns();
    if (deadline == 0.0)
      deadline = now + patience_ns;
    if (now > deadline)
      give_up("exchange", "the other process does not answer");
  }
}

void send(memory::store& segment, std::string_view key, message& what,
          std::uint64_t round) {
  what.number(round);
  if (auto answer = segment.set(default_space, key, what.view());
      answer != errc::ok)
    give_up("exchange", std::string{describe(answer)});
}

void await(const memory::store& segment, std::string_view key, message& what,
           std::uint64_t round) {
  spin([&] {
    std::size_t size = 0;
    return segment.get(default_space, key, std::span<char>{what.bytes}, size)
             == errc::ok
           && what.number() == round;
  });
}

round_trip summary(std::vector<double> times) {
  return {median(times), percentile(std::move(times), 0.99)};
}

memory::store open_segment(const std::string& path) {
  auto opened = memory::store::open(path);
  if (!opened)
    give_up("exchange", opened.error().message());
  return std::move(*opened);
}

} // namespace

round_trip play_ball(second_process& other, std::uint64_t rounds,
                     const tick_scale& scale) {
  auto& ball = other.page().ball;
  ball.store(0);
  auto what = make_order(order::kind::ball, "");
  what.count = rounds;
  other.start(what);
  meet(other.page());
  std::vector<double> times;
  times.reserve(rounds);
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    auto begin = ticks();
    ball.store(2 * round - 1, std::memory_order_release);
    spin([&] { return ball.load(std::memory_order_acquire) == 2 * round; });
    times.push_back(scale.ns(begin, ticks()));
  }
  other.finish();
  return summary(std::move(times));
}

sample return_ball(shared_page& page, std::uint64_t rounds) {
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    spin([&] {
      return page.ball.load(std::memory_order_acquire) == 2 * round - 1;
    });
    page.ball.store(2 * round, std::memory_order_release);
  }
  sample result;
  result.operations = rounds;
  return result;
}

round_trip exchange(second_process& other, const std::string& path,
                    std::uint64_t rounds, const tick_scale& scale) {
  auto segment = open_segment(path);
  message what;
  send(segment, key_there, what, 0);
  send(segment, key_back, what, 0);
  auto request = make_order(order::kind::exchange, path);
  request.count = rounds;
  other.start(request);
  meet(other.page());
  message answer;
  std::vector<double> times;
  times.reserve(rounds);
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    auto begin = ticks();
    send(segment, key_there, what, round);
    await(segment, key_back, answer, round);
    times.push_back(scale.ns(begin, ticks()));
  }
  other.finish();
  return summary(std::move(times));
}

sample answer_exchange(shared_page& page, const std::string& path,
                       std::uint64_t rounds) {
  auto segment = open_segment(path);
  message seen;
  message answer;
  meet(page);
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    await(segment, key_there, seen, round);
    send(segment, key_back, answer, round);
  }
  sample result;
  result.operations = rounds;
  return result;
}

} // namespace neuroplex::bench
