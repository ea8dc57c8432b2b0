#include "actors/tunnel/tls_context.hpp"

#include <openssl/err.h>

#include "actors/tunnel/openssl_handles.hpp"

namespace neuroplex::tunnel {

namespace {

using store_context_handle =
  std::unique_ptr<X509_STORE_CTX, openssl_free<X509_STORE_CTX_free>>;

failure config_failure(const std::filesystem::path& file,
                       const std::string& what) {
  return {errc::config, file.string() + ": " + what};
}

/// Checks a certificate against the store as a peer would.
expected<void> verify_own(SSL_CTX* context, X509* certificate,
                          const std::filesystem::path& file) {
  store_context_handle check{X509_STORE_CTX_new()};
  if (check == nullptr
      || X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context),
                             certificate, nullptr)
           != 1)
    return config_failure(file, take_openssl_error());
  for (const char* purpose : {"ssl_server", "ssl_client"}) {
    X509_STORE_CTX_set_default(check.get(), purpose);
    if (X509_verify_cert(check.get()) != 1) {
      const int code = X509_STORE_CTX_get_error(check.get());
      ERR_clear_error();
      return config_failure(file, std::string{"peers would refuse this "
                                              "certificate: "}
                                    + X509_verify_cert_error_string(code));
    }
    X509_STORE_CTX_cleanup(check.get());
    if (X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context),
                            certificate, nullptr)
        != 1)
      return config_failure(file, take_openssl_error());
  }
  return {};
}

/// Settings that do not depend on files.
bool harden(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION
                                 | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  SSL_CTX_set_verify_depth(context, 2);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1
         && SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1
         && SSL_CTX_set_num_tickets(context, 0) == 1;
}

} // namespace

expected<std::shared_ptr<const tls_context>>
tls_context::load(const credentials& files, replica_id id) {
  if (auto ok = files.validate(); !ok)
    return ok.error();
  ERR_clear_error();
  auto authorities = read_certificates(files.authority_file);
  if (!authorities)
    return authorities.error();
  auto chain = read_certificates(files.certificate_file);
  if (!chain)
    return chain.error();
  auto key = read_private_key(files.key_file);
  if (!key)
    return key.error();

  ssl_context_handle context{SSL_CTX_new(TLS_method())};
  if (context == nullptr || !harden(context.get()))
    return failure{errc::io, "OpenSSL: " + take_openssl_error()};
  auto* store = SSL_CTX_get_cert_store(context.get());
  for (const auto& authority : *authorities) {
    if (X509_check_ca(authority.get()) == 0)
      return config_failure(files.authority_file,
                            "holds a certificate that is no authority");
    if (X509_STORE_add_cert(store, authority.get()) != 1)
      return config_failure(files.authority_file, take_openssl_error());
  }
  auto& own = chain->front();
  const auto named = certificate_replica(own.get());
  if (named != id)
    return config_failure(files.certificate_file,
                          "names "
                            + (named ? "replica " + std::to_string(*named)
                                     : std::string{"no replica"})
                            + ": expected the alternative name URI:"
                            + replica_uri(id));
  if (X509_check_private_key(own.get(), key->get()) != 1) {
    ERR_clear_error();
    return config_failure(files.key_file, "is not the key of "
                                            + files.certificate_file.string());
  }
  if (auto ok = verify_own(context.get(), own.get(), files.certificate_file);
      !ok)
    return ok.error();
  if (SSL_CTX_use_certificate(context.get(), own.get()) != 1
      || SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1)
    return config_failure(files.certificate_file, take_openssl_error());
  for (std::size_t i = 1; i < chain->size(); ++i)
    if (SSL_CTX_add1_chain_cert(context.get(), (*chain)[i].get()) != 1)
      return config_failure(files.certificate_file, take_openssl_error());
  return std::shared_ptr<const tls_context>{new tls_context{context.release()}};
}

tls_context::~tls_context() {
  SSL_CTX_free(native_);
}

} // namespace neuroplex::tunnel
