#include "memory/backup_chain.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>

namespace neuroplex::memory::detail {

namespace format = backup_format;

namespace {

using format::file_kind;
using format::frame_kind;

/// Tables and namespaces are small; what claims to be larger is damaged.
constexpr std::uint64_t most_rows = 1U << 22;
constexpr std::uint64_t most_namespace_bytes =
  limits::max_namespaces
  * (sizeof(format::namespace_row) + limits::max_namespace_name_bytes);

/// One file of a backup on its way through the scan.
class scanner {
public:
  scanner(const disk_file& file, const format::file_header& header,
          std::uint64_t file_bytes)
    : file_{file}, header_{header}, end_{file_bytes} {
  }

  /// The frame at `offset`, checked with its table; nothing when it is damaged
  /// or there is none.
  expected<std::optional<backup_frame>> frame_at(std::uint64_t offset) {
    backup_frame frame;
    frame.offset = offset;
    if (offset >= end_ || end_ - offset < sizeof frame.header)
      return std::optional<backup_frame>{};
    auto whole =
      read_fully(file_, offset,
                 {reinterpret_cast<char*>(&frame.header), sizeof frame.header});
    if (!whole)
      return whole.error();
    if (!*whole || !good(frame))
      return std::optional<backup_frame>{};
    auto table = read_table(file_, header_, frame, rows_);
    if (!table)
      return table.error();
    if (!*table)
      return std::optional<backup_frame>{};
    return std::optional{frame};
  }

  /// The first whole frame behind `offset`.
  expected<std::optional<backup_frame>> next_frame(std::uint64_t offset) {
    constexpr std::size_t window = std::size_t{1} << 20;
    std::vector<char> bytes(window);
    while (offset < end_ && end_ - offset >= sizeof(format::frame_header)) {
      auto size = std::min<std::uint64_t>(window, end_ - offset);
      auto whole = read_fully(file_, offset, {bytes.data(), size});
      if (!whole)
        return whole.error();
      if (!*whole)
        break;
      std::array<char, sizeof format::frame_magic> magic{};
      std::memcpy(magic.data(), &format::frame_magic, sizeof magic);
      auto end = bytes.begin() + static_cast<std::ptrdiff_t>(size);
      for (auto at = bytes.begin();; ++at) {
        at = std::search(at, end, magic.begin(), magic.end());
        if (at == end)
          break;
        auto found =
          frame_at(offset + static_cast<std::uint64_t>(at - bytes.begin()));
        if (!found || *found)
          return found;
      }
      // The magic number may lie across two windows.
      offset += size == window ? size - magic.size() + 1 : size;
    }
    return std::optional<backup_frame>{};
  }

  /// Payload of a small frame, checked; nothing when it is damaged.
  expected<std::optional<std::string>> payload_of(const backup_frame& frame) {
    std::string result(frame.header.payload_bytes, '\0');
    auto whole = read_fully(file_, frame.offset + sizeof frame.header, result);
    if (!whole)
      return whole.error();
    if (!*whole
        || format::checksum_of(result.data(), result.size(), seed(frame.offset))
             != frame.header.payload_checksum)
      return std::optional<std::string>{};
    return std::optional{std::move(result)};
  }

  [[nodiscard]] static std::uint64_t
  end_of(const backup_frame& frame) noexcept {
    return frame.offset + sizeof frame.header
           + frame.header.rows * sizeof(format::region_row)
           + frame.header.payload_bytes;
  }

private:
  [[nodiscard]] std::uint64_t seed(std::uint64_t offset) const noexcept {
    return format::place_seed(header_.chain_id, header_.kind, offset);
  }

  [[nodiscard]] bool good(const backup_frame& frame) const noexcept {
    const auto& header = frame.header;
    if (header.magic != format::frame_magic
        || header.checksum != format::checksum_of(header, seed(frame.offset)))
      return false;
    auto room = end_ - frame.offset - sizeof header;
    auto table_bytes = header.rows * sizeof(format::region_row);
    if (header.rows > most_rows || table_bytes > room
        || header.payload_bytes > room - table_bytes)
      return false;
    switch (header.kind) {
      case frame_kind::regions:
        return true;
      case frame_kind::namespaces:
        return header.rows == 0 && header.payload_bytes <= most_namespace_bytes;
      case frame_kind::commit:
        return header.rows == 0
               && header.payload_bytes == sizeof(format::commit_totals);
    }
    return false;
  }

  const disk_file& file_;
  const format::file_header& header_;
  std::uint64_t end_;
  std::vector<format::region_row> rows_;
};

bool decode_namespaces(const std::string& payload,
                       std::vector<backup_namespace>& result) {
  std::vector<backup_namespace> decoded;
  for (std::size_t at = 0; at < payload.size();) {
    backup_namespace each;
    if (payload.size() - at < sizeof each.row)
      return false;
    std::memcpy(&each.row, payload.data() + at, sizeof each.row);
    at += sizeof each.row;
    if (payload.size() - at < each.row.name_bytes || each.row.name_bytes == 0)
      return false;
    each.name.assign(payload, at, each.row.name_bytes);
    at += each.row.name_bytes;
    decoded.push_back(std::move(each));
  }
  result = std::move(decoded);
  return true;
}

/// Reads and checks a file's own header. False: damaged.
expected<bool> read_header(const disk_file& file, const std::string& what,
                           file_kind kind, format::file_header& header) {
  auto whole =
    read_fully(file, 0, {reinterpret_cast<char*>(&header), sizeof header});
  if (!whole)
    return whole.error();
  if (!*whole || header.magic != format::file_magic)
    return false;
  if (header.version > format::version)
    return failure{errc::version, "backup " + what + ": format version "
                                    + std::to_string(header.version)
                                    + ", this program knows "
                                    + std::to_string(format::version)};
  return header.checksum == format::checksum_of(header) && header.kind == kind
         && header.version == format::version && header.region_count != 0
         && header.region_count <= layout::max_backup_regions;
}

/// Goes through a file's frames, generation after generation.
class chain_scan {
public:
  explicit chain_scan(backup_chain& chain) : chain_{chain} {
  }

  expected<void> base() {
    auto size = chain_.base->size();
    if (!size)
      return size.error();
    scanner scan{*chain_.base, chain_.header, *size};
    bool committed = false;
    std::uint64_t entries = 0;
    format::commit_totals totals{};
    std::uint64_t at = sizeof chain_.header;
    while (at < *size) {
      auto frame = scan.frame_at(at);
      if (!frame)
        return frame.error();
      if (!*frame) {
        if (committed)
          break; // what lies behind the end is not ours
        ++chain_.damaged_frames;
        frame = scan.next_frame(at + 1);
        if (!frame)
          return frame.error();
        if (!*frame)
          break;
      }
      const auto& found = **frame;
      at = scanner::end_of(found);
      if (found.header.kind == frame_kind::regions) {
        entries += found.header.entries;
        chain_.base_frames.push_back(found);
        continue;
      }
      auto payload = scan.payload_of(found);
      if (!payload)
        return payload.error();
      if (!*payload
          || (found.header.kind == frame_kind::namespaces
              && !decode_namespaces(**payload, chain_.namespaces))) {
        ++chain_.damaged_frames;
      } else if (found.header.kind == frame_kind::commit) {
        std::memcpy(&totals, (*payload)->data(), sizeof totals);
        committed = true;
      }
      if (committed)
        break;
    }
    chain_.generation = chain_.header.base_generation;
    chain_.made_at_ms = committed ? totals.at_ms : chain_.header.made_at_ms;
    if (!committed)
      ++chain_.damaged_frames;
    else if (totals.entries > entries)
      chain_.lost_entries = totals.entries - entries;
    chain_.base_bytes = *size;
    chain_.file_bytes += *size;
    chain_.ignored_bytes += *size - std::min(at, *size);
    return {};
  }

  expected<void> log() {
    auto size = chain_.log->size();
    if (!size)
      return size.error();
    chain_.file_bytes += *size;
    chain_.log_end = 0;
    format::file_header header{};
    auto whole =
      read_header(*chain_.log, chain_.log_name, file_kind::log, header);
    if (!whole)
      return whole.error();
    // A log is made with its first generation: without a header it may have
    // been cut short by a crash, or damaged.
    bool ours = *whole && header.chain_id == chain_.header.chain_id;
    scanner scan{*chain_.log, header, *size};
    if (!ours) {
      chain_.ignored_bytes += *size;
      header = chain_.header;
      header.kind = file_kind::log;
      return count_lost(scan, 0);
    }
    chain_.log_end = sizeof header;
    std::vector<backup_frame> frames;
    std::optional<std::vector<backup_namespace>> names;
    std::uint64_t at = sizeof header;
    while (at < *size) {
      auto frame = scan.frame_at(at);
      if (!frame)
        return frame.error();
      if (!*frame || (*frame)->header.generation <= chain_.generation)
        break;
      const auto& found = **frame;
      chain_.highest_seen =
        std::max(chain_.highest_seen, found.header.generation);
      if (!frames.empty()
          && frames.front().header.generation != found.header.generation)
        break;
      at = scanner::end_of(found);
      if (found.header.kind == frame_kind::regions) {
        frames.push_back(found);
        continue;
      }
      auto payload = scan.payload_of(found);
      if (!payload)
        return payload.error();
      if (!*payload)
        break;
      if (found.header.kind == frame_kind::namespaces) {
        if (!decode_namespaces(**payload, names.emplace()))
          break;
        continue;
      }
      format::commit_totals totals{};
      std::memcpy(&totals, (*payload)->data(), sizeof totals);
      std::uint64_t entries = 0;
      for (auto& each : frames)
        entries += each.header.entries;
      if (entries != totals.entries || !names)
        break;
      chain_.log_frames.insert(chain_.log_frames.end(), frames.begin(),
                               frames.end());
      chain_.namespaces = std::move(*names);
      chain_.generation = found.header.generation;
      chain_.made_at_ms = totals.at_ms;
      chain_.log_end = at;
      frames.clear();
      names.reset();
    }
    chain_.ignored_bytes += *size - chain_.log_end;
    return count_lost(scan, chain_.log_end);
  }

private:
  /// Counts the generations that were committed behind the place where reading
  /// had to end.
  expected<void> count_lost(scanner& scan, std::uint64_t at) {
    for (;;) {
      auto frame = scan.frame_at(at);
      if (frame && !*frame)
        frame = scan.next_frame(at + 1);
      if (!frame)
        return frame.error();
      if (!*frame)
        return {};
      chain_.highest_seen =
        std::max(chain_.highest_seen, (*frame)->header.generation);
      if ((*frame)->header.kind == frame_kind::commit
          && (*frame)->header.generation > chain_.generation)
        ++chain_.lost_generations;
      at = scanner::end_of(**frame);
    }
  }

  backup_chain& chain_;
};

} // namespace

std::string file_name(std::string_view prefix, std::uint64_t generation) {
  // As many digits as a number can have, so that names sort like numbers.
  constexpr std::size_t digits = 20;
  auto number = std::to_string(generation);
  return std::string{prefix} + std::string(digits - number.size(), '0') + number
         + std::string{format::suffix};
}

std::uint64_t generation_in(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(format::suffix)
      || name.size() < prefix.size() + format::suffix.size())
    return 0;
  std::uint64_t generation = 0;
  auto* begin = name.data() + prefix.size();
  auto* end = name.data() + name.size() - format::suffix.size();
  auto [stop, error] = std::from_chars(begin, end, generation);
  return error == std::errc{} && stop == end ? generation : 0;
}

expected<bool> read_table(const disk_file& file,
                          const format::file_header& header,
                          const backup_frame& frame,
                          std::vector<format::region_row>& rows) {
  rows.resize(frame.header.rows);
  auto bytes = std::span{reinterpret_cast<char*>(rows.data()),
                         rows.size() * sizeof(format::region_row)};
  auto whole = read_fully(file, frame.offset + sizeof frame.header, bytes);
  if (!whole)
    return whole.error();
  auto seed = format::place_seed(header.chain_id, header.kind, frame.offset);
  if (!*whole
      || format::checksum_of(bytes.data(), bytes.size(), seed)
           != frame.header.table_checksum)
    return false;
  std::uint64_t payload = 0;
  for (auto& row : rows) {
    if (row.region >= header.region_count
        || row.bytes > frame.header.payload_bytes - payload)
      return false;
    payload += row.bytes;
  }
  return frame.header.kind != frame_kind::regions
         || payload == frame.header.payload_bytes;
}

expected<backup_chain> backup_chain::open(disk_directory& medium) {
  auto names = medium.list();
  if (!names)
    return names.error();
  backup_chain chain;
  std::vector<std::uint64_t> bases;
  for (auto& name : *names) {
    if (auto number = generation_in(name, format::base_prefix); number != 0)
      bases.push_back(number);
  }
  std::sort(bases.rbegin(), bases.rend());
  if (bases.empty())
    return failure{errc::not_found,
                   "backup " + medium.where() + ": no base file in it"};
  chain.highest_seen = bases.front();
  // Where the newest has no header any more, an older one that was not removed
  // yet will do; all that is newer is lost then.
  for (auto number : bases) {
    auto name = file_name(format::base_prefix, number);
    auto opened = medium.open(name, false);
    if (!opened)
      return opened.error();
    chain.base = std::move(*opened);
    auto whole = read_header(*chain.base, medium.where() + "/" + name,
                             file_kind::base, chain.header);
    if (!whole)
      return whole.error();
    if (*whole && chain.header.base_generation == number)
      break;
    ++chain.lost_generations;
    chain.base = nullptr;
  }
  if (chain.base == nullptr)
    return failure{errc::corrupt, "backup " + medium.where()
                                    + ": the header of its base is damaged"};
  chain_scan scan{chain};
  if (auto scanned = scan.base(); !scanned)
    return scanned.error();
  chain.log_name = file_name(format::log_prefix, chain.header.base_generation);
  if (std::find(names->begin(), names->end(), chain.log_name) != names->end()) {
    auto opened = medium.open(chain.log_name, true);
    if (!opened)
      opened = medium.open(chain.log_name, false);
    if (!opened)
      return opened.error();
    chain.log = std::move(*opened);
    if (auto scanned = scan.log(); !scanned)
      return scanned.error();
  }
  chain.highest_seen = std::max(chain.highest_seen, chain.generation);
  return chain;
}

} // namespace neuroplex::memory::detail
