#include "consensus/pbft/sodium_crypto.hpp"

#include <sodium.h>

#include <string>

namespace neuroplex::pbft {

namespace {

const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

mac_tag keyed_hash(const std::array<std::uint8_t, 32>& key,
                   std::string_view bytes) {
  mac_tag tag;
  crypto_generichash(tag.bytes.data(), tag.bytes.size(), data_of(bytes),
                     bytes.size(), key.data(), key.size());
  return tag;
}

expected<void> ready() {
  if (sodium_init() < 0)
    return failure{errc::internal, "pbft: libsodium cannot be used here: see "
                                   "whether /dev/urandom can be read"};
  return {};
}

} // namespace

expected<secret_seed> make_seed() {
  if (auto good = ready(); !good)
    return good.error();
  secret_seed result;
  randombytes_buf(result.bytes.data(), result.bytes.size());
  return result;
}

expected<public_key> public_key_of(const secret_seed& seed) {
  if (auto good = ready(); !good)
    return good.error();
  public_key result;
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret{};
  crypto_sign_seed_keypair(result.bytes.data(), secret.data(),
                           seed.bytes.data());
  sodium_memzero(secret.data(), secret.size());
  return result;
}

expected<std::shared_ptr<const sodium_crypto>>
sodium_crypto::make(const secret_seed& own,
                    const std::map<node_id, public_key>& others) {
  if (auto good = ready(); !good)
    return good.error();
  std::shared_ptr<sodium_crypto> made{new sodium_crypto};
  public_key identity;
  crypto_sign_seed_keypair(identity.bytes.data(), made->secret_.data(),
                           own.bytes.data());
  std::array<std::uint8_t, crypto_scalarmult_SCALARBYTES> scalar{};
  crypto_sign_ed25519_sk_to_curve25519(scalar.data(), made->secret_.data());
  std::array<std::uint8_t, crypto_scalarmult_BYTES> point{};
  std::array<std::uint8_t, crypto_scalarmult_BYTES> product{};
  for (const auto& [id, key] : others) {
    if (crypto_sign_ed25519_pk_to_curve25519(point.data(), key.bytes.data())
          != 0
        || crypto_scalarmult(product.data(), scalar.data(), point.data()) != 0)
      return failure{errc::config, "pbft: public key of party "
                                     + std::to_string(id)
                                     + ": not a key of Ed25519: copy it again"};
    auto& one = made->parties_[id];
    one.identity = key;
    crypto_generichash(one.shared.data(), one.shared.size(), product.data(),
                       product.size(), nullptr, 0);
  }
  sodium_memzero(product.data(), product.size());
  sodium_memzero(scalar.data(), scalar.size());
  return std::shared_ptr<const sodium_crypto>{std::move(made)};
}

sodium_crypto::~sodium_crypto() {
  sodium_memzero(secret_.data(), secret_.size());
  for (auto& [id, one] : parties_)
    sodium_memzero(one.shared.data(), one.shared.size());
}

digest sodium_crypto::hash(std::string_view bytes) const {
  digest result;
  crypto_generichash(result.bytes.data(), result.bytes.size(), data_of(bytes),
                     bytes.size(), nullptr, 0);
  return result;
}

mac_tag sodium_crypto::authenticate(node_id to, std::string_view bytes) const {
  auto found = parties_.find(to);
  return found == parties_.end() ? mac_tag{}
                                 : keyed_hash(found->second.shared, bytes);
}

bool sodium_crypto::is_authentic(node_id from, std::string_view bytes,
                                 const mac_tag& tag) const {
  auto found = parties_.find(from);
  if (found == parties_.end())
    return false;
  auto good = keyed_hash(found->second.shared, bytes);
  return sodium_memcmp(good.bytes.data(), tag.bytes.data(), tag.bytes.size())
         == 0;
}

signature sodium_crypto::sign(std::string_view bytes) const {
  signature result;
  crypto_sign_detached(result.bytes.data(), nullptr, data_of(bytes),
                       bytes.size(), secret_.data());
  return result;
}

bool sodium_crypto::is_signed(node_id by, std::string_view bytes,
                              const signature& what) const {
  auto found = parties_.find(by);
  return found != parties_.end()
         && crypto_sign_verify_detached(what.bytes.data(), data_of(bytes),
                                        bytes.size(),
                                        found->second.identity.bytes.data())
              == 0;
}

} // namespace neuroplex::pbft
