#include "memory/backup_capture.hpp"

namespace neuroplex::memory::detail {

namespace format = backup_format;

void backup_capture::prefetch_blocks(std::uint64_t position) const noexcept {
  const auto& arena = source_.arena();
  auto at = source_.engine().index().home_of(position << 32);
  for (auto& slot : arena.line(at.level, at.line).slots) {
    auto raw = slot.load(std::memory_order_relaxed);
    if (!layout::holds_block(raw))
      continue;
    if (auto* block = arena.block(layout::granule_of(raw)); block != nullptr) {
      auto* bytes = reinterpret_cast<const char*>(block);
      prefetch_line(bytes);
      prefetch_line(bytes + layout::line_bytes);
      prefetch_line(bytes + 2 * layout::line_bytes);
    }
  }
  if (at.line + 1 < arena.lines(at.level))
    prefetch_line(&arena.line(at.level, at.line + 1));
}

bool backup_capture::capture_inline(std::uint8_t ns, std::uint64_t hash,
                                    std::string_view key,
                                    std::string_view value,
                                    std::int64_t expires, bool intact,
                                    backup_buffer& out) {
  if (expires != 0 && expires <= unix_time_ms())
    return false;
  if (!intact) {
    ++counts_.corrupt;
    return false;
  }
  layout::entry_fields fields{};
  fields.value_bytes = static_cast<std::uint32_t>(value.size());
  fields.kind = layout::make_entry_kind(
    key.size(), ns, expires != 0 ? layout::flag_expires : std::uint8_t{0});
  fields.checksum = value_checksum(
    checksum_seed(hash, fields.length_and_form(), expires), value);
  out.append(&fields, sizeof fields);
  if (expires != 0)
    out.append(&expires, sizeof expires);
  out.append(key.data(), key.size());
  out.append(value.data(), value.size());
  ++counts_.entries;
  return true;
}

backup_capture::outcome backup_capture::capture(const home& at,
                                                const location& where,
                                                std::uint32_t region,
                                                bool with_kept,
                                                backup_buffer& out) {
  const auto& index = source_.engine().index();
  auto fields = where.fields;
  auto key_bytes = fields.key_bytes();
  // Key and value lie one behind the other, and so they are copied.
  auto before = out.size();
  auto names = source_.arena().control().namespace_states[fields.ns()].load(
    std::memory_order_acquire);
  if (layout::namespace_state_of(names) == layout::namespace_state::contents)
    return outcome::left_out; // in the records of those who refer to it
  auto bytes = fields.total_bytes();
  if (fields.refers())
    bytes += store_impl::plain_bytes(where);
  bool is_long = bytes >= least_kept_bytes;
  out.append(&fields, sizeof fields);
  std::int64_t expires = source_.engine().expiry_of(where);
  if (fields.expires())
    out.append(&expires, sizeof expires);
  auto key_offset = out.size();
  auto* key = out.extend(key_bytes);
  native_sync::read(key, where.payload(), key_bytes);
  auto give_up = [&](outcome what) {
    out.shorten(before);
    return what;
  };
  std::string_view key_text{out.data() + key_offset, key_bytes};
  auto hash = hash_key(fields.ns(), key_text);
  if (!index.unchanged(at, where))
    return give_up(outcome::changed);
  const auto& arena = source_.arena();
  if (line_of(hash, arena.lines(at.level)) != at.line
      || region_of(arena, hash) != region || key_bytes == 0)
    return give_up(outcome::left_out);
  if ((format::flags_of(fields) & ~layout::entry_flags & ~layout::flag_refers)
      != 0)
    return give_up(outcome::unknown);
  if (expires != 0 && expires <= unix_time_ms())
    return give_up(outcome::left_out);
  if (is_long && with_kept) {
    auto known = captured_.find(where.granule());
    if (known != captured_.end() && known->second.word == where.word
        && known->second.run != run_) {
      out.shorten(before);
      fields = known->second.fields;
      fields.kind = layout::make_entry_kind(0, fields.ns(), format::flag_kept);
      out.append(&fields, sizeof fields);
      out.append(&hash, sizeof hash);
      ++counts_.entries;
      ++counts_.kept;
      return outcome::captured;
    }
  }
  auto appended = fields.refers()
                    ? append_shared(at, where, hash, expires, fields, out)
                    : append_value(at, where, hash, expires, fields, out);
  if (appended != outcome::captured)
    return give_up(appended);
  std::memcpy(out.data() + before, &fields, sizeof fields);
  if (is_long)
    captured_[where.granule()] = {where.word, run_, fields};
  ++counts_.entries;
  return outcome::captured;
}

backup_capture::outcome
backup_capture::append_value(const home& at, const location& where,
                             std::uint64_t hash, std::int64_t expires,
                             layout::entry_fields& fields, backup_buffer& out) {
  auto* value = out.extend(fields.value_bytes);
  auto sum = read_summed<native_sync>(
    value, where.payload() + fields.key_bytes(), fields.value_bytes,
    checksum_seed(hash, fields.length_and_form(), expires));
  if (!source_.engine().index().unchanged(at, where))
    return outcome::changed;
  if (sum == fields.checksum)
    return outcome::captured;
  ++counts_.corrupt;
  return outcome::left_out;
}

backup_capture::outcome backup_capture::append_shared(
  const home& at, const location& where, std::uint64_t hash,
  std::int64_t expires, layout::entry_fields& fields, backup_buffer& out) {
  const auto& index = source_.engine().index();
  shared_reference reference;
  auto whole =
    store_impl::deduplicator::reference_of(hash, where, expires, reference);
  if (!index.unchanged(at, where))
    return outcome::changed;
  std::uint8_t form = 0;
  if (whole == errc::ok)
    whole = store_impl::deduplicator{source_.engine()}.read_stored(
      fields.ns(), reference, shared_, form);
  if (whole != errc::ok && !index.unchanged(at, where))
    return outcome::changed;
  if (whole != errc::ok) {
    ++counts_.corrupt;
    return outcome::left_out;
  }
  // The record stands for itself.
  fields.value_bytes = static_cast<std::uint32_t>(shared_.size());
  fields.kind = layout::make_entry_kind(
    fields.key_bytes(), fields.ns(),
    static_cast<std::uint8_t>(form
                              | (expires != 0 ? layout::flag_expires : 0)));
  fields.checksum = value_checksum(
    checksum_seed(hash, fields.length_and_form(), expires), shared_);
  out.append(shared_.data(), shared_.size());
  return outcome::captured;
}

} // namespace neuroplex::memory::detail
