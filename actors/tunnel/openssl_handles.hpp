// Owners of OpenSSL's objects, small helpers around its error queue and files.
// Included by sources of this folder only.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "actors/tunnel/identity.hpp"
#include "memory/status.hpp"

namespace neuroplex::tunnel {

template <auto Free>
struct openssl_free {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using bio_handle = std::unique_ptr<BIO, openssl_free<BIO_free_all>>;
using key_handle = std::unique_ptr<EVP_PKEY, openssl_free<EVP_PKEY_free>>;
using certificate_handle = std::unique_ptr<X509, openssl_free<X509_free>>;
using ssl_context_handle = std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>>;

/// The oldest error of this thread in words; the queue is empty afterwards.
std::string take_openssl_error();

/// A file's text: a regular file of at most limits::max_pem_bytes. With
/// `secret`, one that only its owner may read.
expected<std::string> read_pem_file(const std::filesystem::path& file,
                                    bool secret);

/// All certificates of a PEM file, in order; at least one.
expected<std::vector<certificate_handle>>
read_certificates(const std::filesystem::path& file);

/// The private key of a PEM file.
expected<key_handle> read_private_key(const std::filesystem::path& file);

/// The replica that a certificate names (identity.hpp, invariant 1).
std::optional<replica_id> certificate_replica(const X509* certificate);

/// Seconds from now to the end of validity; negative when it is over.
std::int64_t seconds_left(const X509* certificate);

} // namespace neuroplex::tunnel
