#include "memory/boot_id.hpp"

#include <fstream>
#include <string>

#include <xxhash.h>

namespace neuroplex::memory {

std::uint64_t boot_id() {
  static const std::uint64_t id = [] {
    std::ifstream file{"/proc/sys/kernel/random/boot_id"};
    std::string text;
    return file >> text ? XXH3_64bits(text.data(), text.size())
                        : std::uint64_t{0};
  }();
  return id;
}

} // namespace neuroplex::memory
