// How an actor wakes itself: by a numbered message of which only the latest
// counts, so that whoever changes its interval leaves no second timer behind.
//
// Threads: to be called by the actor itself, which keeps the number in its
// state and ignores a pulse with any other.
#pragma once

#include "actors/message_types.hpp"

#include <cstdint>

namespace neuroplex::actors {

/// Sends the next pulse after `interval`; or `at_once`, behind the messages
/// that wait already.
template <class Handle, class Self>
void send_pulse(Self* self, std::uint64_t& latest, milliseconds interval,
                bool at_once = false) {
  ++latest;
  if (at_once)
    tell(self, Handle{self}, pulse_atom_v, latest);
  else
    tell_after(self, interval, Handle{self}, pulse_atom_v, latest);
}

} // namespace neuroplex::actors
