#include "tests/sim/pbft/keys.hpp"

#include "consensus/pbft/sodium_crypto.hpp"
#include "tests/sim/dice.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <xxhash.h>

namespace neuroplex::sim {

namespace {

template <class Bytes>
Bytes fill(std::string_view text, std::uint64_t seed) {
  Bytes result;
  const auto hash = XXH3_128bits_withSeed(text.data(), text.size(), seed);
  auto low = hash.low64;
  auto high = hash.high64;
  for (std::size_t at = 0; at < result.bytes.size(); at += 16) {
    std::memcpy(result.bytes.data() + at, &low, 8);
    std::memcpy(result.bytes.data() + at + 8, &high, 8);
    low = mix(low);
    high = mix(high ^ low);
  }
  return result;
}

class hashed_keys final : public pbft::crypto {
public:
  hashed_keys(std::uint64_t secret, pbft::node_id id)
    : secret_{secret}, id_{id} {
  }

  [[nodiscard]] pbft::digest hash(std::string_view bytes) const override {
    return fill<pbft::digest>(bytes, 0);
  }

  [[nodiscard]] pbft::mac_tag
  authenticate(pbft::node_id to, std::string_view bytes) const override {
    return tag_of(id_, to, bytes);
  }

  [[nodiscard]] bool is_authentic(pbft::node_id from, std::string_view bytes,
                                  const pbft::mac_tag& tag) const override {
    return tag == tag_of(from, id_, bytes);
  }

  [[nodiscard]] pbft::signature sign(std::string_view bytes) const override {
    return signature_of(id_, bytes);
  }

  [[nodiscard]] bool is_signed(pbft::node_id by, std::string_view bytes,
                               const pbft::signature& what) const override {
    return what == signature_of(by, bytes);
  }

private:
  [[nodiscard]] pbft::mac_tag tag_of(pbft::node_id a, pbft::node_id b,
                                     std::string_view bytes) const {
    const auto pair = mix(std::min(a, b)) ^ std::max(a, b);
    return fill<pbft::mac_tag>(bytes, mix(secret_ ^ pair));
  }

  [[nodiscard]] pbft::signature signature_of(pbft::node_id by,
                                             std::string_view bytes) const {
    return fill<pbft::signature>(bytes, mix(~secret_ ^ mix(by)));
  }

  std::uint64_t secret_;
  pbft::node_id id_;
};

class believing_keys final : public pbft::crypto {
public:
  explicit believing_keys(std::shared_ptr<const pbft::crypto> own)
    : own_{std::move(own)} {
  }

  [[nodiscard]] pbft::digest hash(std::string_view bytes) const override {
    return own_->hash(bytes);
  }

  [[nodiscard]] pbft::mac_tag
  authenticate(pbft::node_id to, std::string_view bytes) const override {
    return own_->authenticate(to, bytes);
  }

  [[nodiscard]] bool is_authentic(pbft::node_id from, std::string_view bytes,
                                  const pbft::mac_tag& tag) const override {
    return own_->is_authentic(from, bytes, tag);
  }

  [[nodiscard]] pbft::signature sign(std::string_view bytes) const override {
    return own_->sign(bytes);
  }

  [[nodiscard]] bool is_signed(pbft::node_id /*by*/, std::string_view /*bytes*/,
                               const pbft::signature& /*what*/) const override {
    return true;
  }

private:
  std::shared_ptr<const pbft::crypto> own_;
};

pbft::secret_seed seed_of(std::uint64_t secret, pbft::node_id id) {
  return {fill<pbft::digest>("seed", mix(secret ^ id)).bytes};
}

} // namespace

std::shared_ptr<const pbft::crypto> simulated_keys(std::uint64_t secret,
                                                   pbft::node_id id) {
  return std::make_shared<hashed_keys>(secret, id);
}

std::shared_ptr<const pbft::crypto>
gullible_keys(std::shared_ptr<const pbft::crypto> own) {
  return std::make_shared<believing_keys>(std::move(own));
}

std::shared_ptr<const pbft::crypto>
real_keys(std::uint64_t secret, pbft::node_id id, pbft::node_id parties) {
  std::map<pbft::node_id, pbft::public_key> all;
  for (pbft::node_id one = 1; one <= parties; ++one) {
    all[one] = *pbft::public_key_of(seed_of(secret, one));
  }
  return *pbft::sodium_crypto::make(seed_of(secret, id), all);
}

} // namespace neuroplex::sim
