// libFuzzer target: arbitrary bytes against the BASP guard. What it lets
// through is a prefix of the input, is let through again, and does not depend
// on how the input is cut.
#include "actors/tunnel/basp_guard.hpp"

#include <algorithm>
#include <cstdint>

using namespace neuroplex::tunnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size < 2)
    return 0;
  basp_guard_options options;
  options.sender =
    (data[0] & 1) == 0 ? basp_sender::client : basp_sender::server;
  const std::size_t piece = data[1] + std::size_t{1};
  const std::span<const std::byte> input{
    reinterpret_cast<const std::byte*>(data) + 2, size - 2};
  basp_guard whole{options};
  byte_queue whole_out;
  const auto why = whole.feed(input, whole_out);
  basp_guard cut{options};
  byte_queue cut_out;
  reason cut_why = reason::none;
  for (auto rest = input; !rest.empty();) {
    auto part = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(part.size());
    cut_why = cut.feed(part, cut_out);
  }
  const auto passed = whole_out.front();
  NEUROPLEX_ENSURE(why == cut_why);
  NEUROPLEX_ENSURE(std::ranges::equal(passed, cut_out.front()));
  NEUROPLEX_ENSURE(std::ranges::equal(passed, input.first(passed.size())));
  basp_guard again{options};
  byte_queue again_out;
  NEUROPLEX_ENSURE(again.feed(passed, again_out) == reason::none);
  return 0;
}
