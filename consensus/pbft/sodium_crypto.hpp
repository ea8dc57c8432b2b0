// Cryptography of one party by libsodium.
//
// Purpose: BLAKE2b-256 as hash; BLAKE2b-128 keyed as MAC; Ed25519 as signature.
// The key of a MAC is shared by two parties and made from what they have
// anyway: X25519 between their Ed25519 identities, hashed. So a party needs its
// own secret key and the public keys of the others, nothing else.
//
// Ownership and threads: immutable once made; any thread may call it. The
// secrets are wiped when it goes.
//
// Invariants: each pair of parties has a key of its own.
//
// Failure behaviour: `make` answers `errc::config` for keys that cannot be
// used. An unknown party fails every check.
#pragma once

#include "consensus/pbft/crypto.hpp"
#include "memory/status.hpp"

#include <map>
#include <memory>

namespace neuroplex::pbft {

struct public_key {
  std::array<std::uint8_t, 32> bytes{};
};

/// A seed of 32 secret bytes, from which the key pair follows.
struct secret_seed {
  std::array<std::uint8_t, 32> bytes{};
};

/// A seed by chance of the system. `errc::internal` if libsodium cannot be used
/// on this machine.
[[nodiscard]] expected<secret_seed> make_seed();

/// `errc::internal` as well.
[[nodiscard]] expected<public_key> public_key_of(const secret_seed& seed);

class sodium_crypto final : public crypto {
public:
  /// `others` are all parties, this one may be among them.
  [[nodiscard]] static expected<std::shared_ptr<const sodium_crypto>>
  make(const secret_seed& own, const std::map<node_id, public_key>& others);

  ~sodium_crypto() override;

  [[nodiscard]] digest hash(std::string_view bytes) const override;
  [[nodiscard]] mac_tag authenticate(node_id to,
                                     std::string_view bytes) const override;
  [[nodiscard]] bool is_authentic(node_id from, std::string_view bytes,
                                  const mac_tag& tag) const override;
  [[nodiscard]] signature sign(std::string_view bytes) const override;
  [[nodiscard]] bool is_signed(node_id by, std::string_view bytes,
                               const signature& what) const override;

private:
  struct party {
    public_key identity{};
    std::array<std::uint8_t, 32> shared{};
  };

  sodium_crypto() = default;

  std::array<std::uint8_t, 64> secret_{};
  std::map<node_id, party> parties_;
};

} // namespace neuroplex::pbft
