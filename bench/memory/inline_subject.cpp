#include "bench/memory/inline_subject.hpp"

#include "bench/memory/store_subject.hpp"

#include <cstring>
#include <utility>

namespace neuroplex::bench {

namespace {

memory::store make_segment(const std::string& path, std::uint64_t entries) {
  constexpr std::uint64_t bytes_an_entry = 136;
  constexpr std::uint64_t slack_bytes = std::uint64_t{16} << 20;
  memory::segment_options options;
  options.bucket_count = 64; // nothing is kept in the index
  options.segment_bytes = entries * bytes_an_entry + slack_bytes;
  auto made = memory::store::create(path, options);
  if (!made)
    give_up("cannot make a segment", made.error().message());
  return std::move(*made);
}

memory::inline_namespace make_space(memory::store& store,
                                    std::uint64_t entries) {
  auto id = store.open_inline_namespace(
    "inline",
    {.key_bytes = key_bytes, .value_bytes = value_bytes, .capacity = entries});
  if (!id)
    give_up("cannot make an inline namespace", id.error().message());
  auto space = store.inline_handle(*id);
  if (!space)
    give_up("cannot open an inline namespace", space.error().message());
  return *space;
}

} // namespace

inline_subject::inline_subject(const std::string& path, std::uint64_t entries)
  : store_{make_segment(path, entries)}, space_{make_space(store_, entries)} {
}

bool inline_subject::get(const entry_key& key, entry_value& value) {
  return space_.get(key.view(), std::span<char>{value.bytes}) == errc::ok;
}

bool inline_subject::set(const entry_key& key, const entry_value& value) {
  return space_.set(key.view(), value.view()) == errc::ok;
}

bool inline_subject::get_many(std::span<const entry_key> keys,
                              std::span<entry_value> values) {
  for (std::size_t i = 0; i < keys.size(); ++i)
    gets_[i].key = keys[i].view();
  if (space_.get_many(std::span{gets_}.first(keys.size())) != errc::ok)
    return false;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (gets_[i].status != errc::ok)
      return false;
    // The stamp is all that is looked at; the value itself was copied out.
    std::memcpy(values[i].bytes.data(), gets_[i].value.data(),
                sizeof(std::uint64_t));
  }
  return true;
}

bool inline_subject::set_many(std::span<const entry_key> keys,
                              std::span<const entry_value> values) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    sets_[i].key = keys[i].view();
    sets_[i].value = values[i].view();
  }
  return space_.set_many(std::span{sets_}.first(keys.size())) == errc::ok;
}

double inline_subject::bytes_in_use() const {
  auto now = store_.stats();
  return static_cast<double>(now.pool_used_bytes + now.index_bytes);
}

} // namespace neuroplex::bench
