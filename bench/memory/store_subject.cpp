#include "bench/memory/store_subject.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace neuroplex::bench {

namespace {} // namespace

void give_up(const std::string& what, const std::string& why) {
  std::fprintf(stderr, "bench: %s: %s\n", what.c_str(), why.c_str());
  std::exit(EXIT_FAILURE);
}

memory::store store_subject::make_segment(const std::string& path,
                                          std::uint64_t entries) {
  // A block of 144 bytes and a tenth of a line of 64 an entry, and some slack.
  constexpr std::uint64_t bytes_an_entry = 160;
  constexpr std::uint64_t slack_bytes = std::uint64_t{32} << 20;
  memory::segment_options options;
  options.max_entries = entries;
  options.segment_bytes = entries * bytes_an_entry + slack_bytes;
  auto made = memory::store::create(path, options);
  if (!made)
    give_up("cannot make a segment", made.error().message());
  return std::move(*made);
}

store_subject::store_subject(memory::store attached)
  : store_{std::move(attached)} {
}

bool store_subject::get(const entry_key& key, entry_value& value) {
  std::size_t size = 0;
  return store_.get(default_space, key.view(), std::span<char>{value.bytes},
                    size)
           == errc::ok
         && size == value_bytes;
}

bool store_subject::set(const entry_key& key, const entry_value& value) {
  return store_.set(default_space, key.view(), value.view()) == errc::ok;
}

bool store_subject::get_many(std::span<const entry_key> keys,
                             std::span<entry_value> values) {
  for (std::size_t i = 0; i < keys.size(); ++i)
    gets_[i].key = keys[i].view();
  if (store_.get_many(default_space, std::span{gets_}.first(keys.size()))
      != errc::ok)
    return false;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (gets_[i].status != errc::ok || gets_[i].value.size() != value_bytes)
      return false;
    // The stamp is all that is looked at; the value itself was copied out.
    std::memcpy(values[i].bytes.data(), gets_[i].value.data(),
                sizeof(std::uint64_t));
  }
  return true;
}

bool store_subject::set_many(std::span<const entry_key> keys,
                             std::span<const entry_value> values) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    sets_[i].key = keys[i].view();
    sets_[i].value = values[i].view();
  }
  return store_.set_many(default_space, std::span{sets_}.first(keys.size()))
         == errc::ok;
}

double store_subject::bytes_in_use() const {
  auto now = store_.stats();
  return static_cast<double>(now.pool_used_bytes + now.index_bytes);
}

} // namespace neuroplex::bench
