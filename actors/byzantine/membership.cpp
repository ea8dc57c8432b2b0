#include "actors/byzantine/membership.hpp"

#include "actors/byzantine/parties.hpp"
#include "consensus/wire.hpp"

#include <algorithm>

namespace neuroplex::byzantine {

namespace {

constexpr const char* identity_file = "identity";
constexpr const char* members_file = "members";
constexpr const char* file_of_raft = "formation";
constexpr std::uint32_t file_version = 1;
constexpr std::size_t max_file_bytes = 65'536;

failure unreadable(const memory::disk_directory& where, const char* name) {
  return {errc::corrupt, where.where() + "/" + name
                           + ": damaged: this node cannot take part any more: "
                             "set up another one under a new id"};
}

expected<std::string> read_small(memory::disk_directory& where,
                                 const char* name) {
  auto file = where.open(name, false);
  if (!file)
    return file.error();
  auto size = (*file)->size();
  if (!size)
    return size.error();
  if (*size > max_file_bytes)
    return unreadable(where, name);
  std::string bytes(static_cast<std::size_t>(*size), '\0');
  auto whole = memory::read_fully(**file, 0, bytes);
  if (!whole)
    return whole.error();
  return *whole ? expected<std::string>{std::move(bytes)}
                : expected<std::string>{unreadable(where, name)};
}

std::string_view text_of(const public_key& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

} // namespace

std::string fingerprint(const public_key& key) {
  constexpr std::string_view digits = "0123456789abcdef";
  constexpr std::size_t shown_bytes = 8;
  std::string text;
  for (std::size_t i = 0; i < shown_bytes; ++i) {
    text += digits[key.bytes[i] >> 4];
    text += digits[key.bytes[i] & 0xF];
  }
  return text;
}

expected<membership> membership::open(memory::disk_directory& where,
                                      node_id self,
                                      const std::vector<node_id>& members) {
  auto names = where.list();
  if (!names)
    return names.error();
  if (std::find(names->begin(), names->end(), file_of_raft) != names->end())
    return failure{errc::config,
                   where.where()
                     + ": holds what was agreed on by Raft: set "
                       "agreement.protocol to raft, or raft.directory to "
                       "another one"};
  membership result{where, self, members};
  std::sort(result.members_.begin(), result.members_.end());
  if (auto loaded = result.load_identity(); !loaded)
    return loaded.error();
  if (auto loaded = result.load_members(); !loaded)
    return loaded.error();
  return result;
}

expected<void> membership::load_identity() {
  auto bytes = read_small(*where_, identity_file);
  if (!bytes && bytes.code() != errc::not_found)
    return bytes.error();
  if (bytes) {
    wire_reader in{*bytes};
    auto version = in.take<std::uint32_t>();
    seed_ = take_raw<pbft::secret_seed>(in);
    if (!in.complete() || version != file_version)
      return unreadable(*where_, identity_file);
  } else {
    auto seed = pbft::make_seed();
    if (!seed)
      return seed.error();
    seed_ = *seed;
    std::string text;
    wire_writer{text}.put(file_version);
    put_raw(text, seed_);
    if (auto kept = memory::replace_file(*where_, identity_file, text); !kept)
      return kept;
  }
  auto key = pbft::public_key_of(seed_);
  if (!key)
    return key.error();
  own_key_ = *key;
  keys_[self_] = own_key_;
  return {};
}

expected<void> membership::load_members() {
  auto bytes = read_small(*where_, members_file);
  if (!bytes)
    return bytes.code() == errc::not_found ? expected<void>{}
                                           : expected<void>{bytes.error()};
  wire_reader in{*bytes};
  auto version = in.take<std::uint32_t>();
  auto count = in.take<std::uint32_t>();
  std::map<node_id, public_key> keys;
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    auto id = in.take<std::uint64_t>();
    keys[id] = take_raw<public_key>(in);
  }
  if (!in.complete() || version != file_version || !keys.contains(self_)
      || text_of(keys[self_]) != text_of(own_key_))
    return unreadable(*where_, members_file);
  std::vector<node_id> ids;
  ids.reserve(keys.size());
  for (const auto& [id, key] : keys)
    ids.push_back(id);
  if (ids != members_)
    return failure{errc::config,
                   where_->where() + "/" + members_file + ": "
                     + std::to_string(ids.size())
                     + " other members than configured: peers and replica id "
                       "must stay as they were"};
  keys_ = std::move(keys);
  complete_ = true;
  return {};
}

expected<void> membership::heard(node_id from, std::string_view key) {
  public_key said;
  if (key.size() != said.bytes.size())
    return failure{errc::bad_argument, "agreement: node " + std::to_string(from)
                                         + " says no key of its own"};
  std::copy(key.begin(), key.end(), said.bytes.begin());
  auto known = keys_.find(from);
  if (known != keys_.end()) {
    if (text_of(known->second) == key)
      return {};
    return failure{
      errc::denied,
      "agreement: node " + std::to_string(from) + " has key "
        + fingerprint(said) + ", known is " + fingerprint(known->second)
        + ": it lost its disk, or is another: give it a new id and its group "
          "new members"};
  }
  if (std::binary_search(members_.begin(), members_.end(), from))
    keys_[from] = said;
  return {};
}

expected<bool> membership::settle() {
  if (complete_ || keys_.size() < members_.size())
    return false;
  std::string text;
  wire_writer out{text};
  out.put(file_version);
  out.put(static_cast<std::uint32_t>(keys_.size()));
  for (const auto& [id, key] : keys_) {
    out.put(id);
    put_raw(text, key);
  }
  if (auto kept = memory::replace_file(*where_, members_file, text); !kept)
    return kept.error();
  complete_ = true;
  return true;
}

expected<std::shared_ptr<const pbft::crypto>> membership::crypto() const {
  std::map<node_id, public_key> parties;
  for (const auto& [id, key] : keys_) {
    parties[id] = key;
    parties[hybrid::control_client_of(id)] = key;
    for (std::size_t i = 0; i < clients_per_node; ++i)
      parties[client_of(id, i)] = key;
  }
  auto made = pbft::sodium_crypto::make(seed_, parties);
  if (!made)
    return made.error();
  return std::shared_ptr<const pbft::crypto>{std::move(*made)};
}

} // namespace neuroplex::byzantine
