#include "tests/actors/aged_segment.hpp"

#include "memory/geometry.hpp"
#include "memory/layout.hpp"
#include "memory/sync.hpp"

#include <cstddef>
#include <fstream>

namespace neuroplex::tests {

bool age_segment(const std::string& path) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  memory::layout::header header{};
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header))
    return false;
  auto shape = memory::read_geometry(header, header.file_bytes, path);
  if (!shape)
    return false;
  std::uint64_t other_boot = 1;
  using record = memory::layout::backup_record<memory::native_sync>;
  file.seekp(static_cast<std::streamoff>(shape->backup_offset
                                         + offsetof(record, attached_boot_id)));
  file.write(reinterpret_cast<const char*>(&other_boot), sizeof other_boot);
  return static_cast<bool>(file.flush());
}

} // namespace neuroplex::tests
