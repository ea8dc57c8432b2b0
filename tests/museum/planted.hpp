// Which of the mistakes that plant.py put into a copy of the sources is in
// force: the one that NEUROPLEX_PLANTED names, none if it is not set. A name
// that is not known ends the program with status 2.
#pragma once

#include <span>
#include <string_view>

namespace neuroplex::museum {

/// Its number, from 1; 0: none. Set before `main`, and then the same for ever.
extern const int planted;

/// What can be planted, that of number 1 first; written by plant.py.
extern const std::span<const std::string_view> planted_names;

} // namespace neuroplex::museum
