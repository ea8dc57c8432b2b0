// Two processes exchange a value of 64 bytes: the figure the design exists for.
//
// A round: A sets key "a" with the round's number and reads key "b" until it
// holds the number; B reads "a" until it sees the number and sets "b". Beside
// it, in the same run, the bare thing: both write one word on one cache line.
//
// Threads: one a process. Waits are bounded; the program ends when one side is
// gone.
#pragma once

#include "bench/memory/clock.hpp"
#include "bench/memory/second_process.hpp"

#include <string>

namespace neuroplex::bench {

struct round_trip {
  double p50_ns = 0;
  double p99_ns = 0;
};

/// The bare ping-pong, from the first process.
round_trip play_ball(second_process& other, std::uint64_t rounds,
                     const tick_scale& scale);
sample return_ball(shared_page& page, std::uint64_t rounds);

/// The exchange through the segment at `path`, from the first process.
round_trip exchange(second_process& other, const std::string& path,
                    std::uint64_t rounds, const tick_scale& scale);
sample answer_exchange(shared_page& page, const std::string& path,
                       std::uint64_t rounds);

} // namespace neuroplex::bench
