#include "actors/tunnel/tls_channel.hpp"

#include <algorithm>
#include <utility>

#include <openssl/err.h>

#include "actors/tunnel/limits.hpp"
#include "actors/tunnel/openssl_handles.hpp"

namespace neuroplex::tunnel {

namespace {

/// Bytes of one TLS record's plaintext at most.
constexpr std::size_t record_bytes = 16 * 1024;

reason verification_reason(long code) {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return reason::certificate_expired;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_INVALID_CA:
      return reason::certificate_authority;
    default:
      return reason::certificate_invalid;
  }
}

reason protocol_reason(unsigned long code) {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL)
    return reason::tls_failed;
  switch (ERR_GET_REASON(code)) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return reason::no_certificate;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return reason::tls_version;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_LENGTH_MISMATCH:
    case SSL_R_LENGTH_TOO_LONG:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_TOO_SMALL:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_MESSAGE:
      return reason::not_tls;
    default:
      break;
  }
  // Alerts that the peer sent have their own range of codes.
  return ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET ? reason::refused_by_peer
                                                      : reason::tls_failed;
}

} // namespace

expected<tls_channel>
tls_channel::make(std::shared_ptr<const tls_context> context, tls_role role) {
  ERR_clear_error();
  SSL* native = SSL_new(context->native());
  BIO* input = BIO_new(BIO_s_mem());
  BIO* output = BIO_new(BIO_s_mem());
  if (native == nullptr || input == nullptr || output == nullptr) {
    SSL_free(native);
    BIO_free(input);
    BIO_free(output);
    return failure{errc::io, "OpenSSL: " + take_openssl_error()};
  }
  SSL_set_bio(native, input, output);
  if (role == tls_role::server)
    SSL_set_accept_state(native);
  else
    SSL_set_connect_state(native);
  return tls_channel{std::move(context), native};
}

tls_channel::tls_channel(std::shared_ptr<const tls_context> context,
                         ssl_st* native) noexcept
  : context_{std::move(context)}, native_{native} {
}

tls_channel::tls_channel(tls_channel&& other) noexcept
  : context_{std::move(other.context_)},
    native_{std::exchange(other.native_, nullptr)}, open_{other.open_},
    peer_closed_{other.peer_closed_}, cause_{other.cause_}, detail_{std::move(
                                                              other.detail_)} {
}

tls_channel& tls_channel::operator=(tls_channel&& other) noexcept {
  if (this != &other) {
    SSL_free(native_);
    context_ = std::move(other.context_);
    native_ = std::exchange(other.native_, nullptr);
    open_ = other.open_;
    peer_closed_ = other.peer_closed_;
    cause_ = other.cause_;
    detail_ = std::move(other.detail_);
  }
  return *this;
}

tls_channel::~tls_channel() {
  SSL_free(native_);
}

void tls_channel::start(byte_queue& cipher_out) {
  shake_hands(cipher_out);
}

void tls_channel::shake_hands(byte_queue& cipher_out) {
  ERR_clear_error();
  const int result = SSL_do_handshake(native_);
  if (result == 1)
    open_ = true;
  else if (SSL_get_error(native_, result) != SSL_ERROR_WANT_READ)
    fail();
  drain(cipher_out);
}

void tls_channel::feed(std::span<const std::byte> cipher,
                       std::vector<std::byte>& plain_out,
                       byte_queue& cipher_out) {
  if (cause_ != reason::none || peer_closed_)
    return;
  if (!cipher.empty()
      && BIO_write(SSL_get_rbio(native_), cipher.data(),
                   static_cast<int>(cipher.size()))
           != static_cast<int>(cipher.size())) {
    fail();
    return;
  }
  if (!open_)
    shake_hands(cipher_out);
  while (open_ && cause_ == reason::none) {
    const auto old_size = plain_out.size();
    plain_out.resize(old_size + record_bytes);
    ERR_clear_error();
    const int count = SSL_read(native_, plain_out.data() + old_size,
                               static_cast<int>(record_bytes));
    plain_out.resize(old_size + static_cast<std::size_t>(std::max(count, 0)));
    if (count > 0)
      continue;
    const int code = SSL_get_error(native_, count);
    if (code == SSL_ERROR_ZERO_RETURN)
      peer_closed_ = true;
    else if (code != SSL_ERROR_WANT_READ)
      fail();
    break;
  }
  drain(cipher_out);
}

void tls_channel::send(std::span<const std::byte> plain,
                       byte_queue& cipher_out) {
  if (!open_ || cause_ != reason::none || plain.empty())
    return;
  ERR_clear_error();
  // The output queue grows as needed, so a write is never partial.
  const int count =
    SSL_write(native_, plain.data(), static_cast<int>(plain.size()));
  if (count != static_cast<int>(plain.size()))
    fail();
  drain(cipher_out);
}

void tls_channel::close(byte_queue& cipher_out) {
  if (!open_ || cause_ != reason::none)
    return;
  ERR_clear_error();
  SSL_shutdown(native_);
  ERR_clear_error();
  drain(cipher_out);
}

void tls_channel::drain(byte_queue& cipher_out) {
  BIO* output = SSL_get_wbio(native_);
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(output, &bytes);
  if (count <= 0)
    return;
  cipher_out.append({reinterpret_cast<const std::byte*>(bytes),
                     static_cast<std::size_t>(count)});
  BIO_reset(output);
}

void tls_channel::fail() {
  const auto code = ERR_peek_error();
  const long verified = SSL_get_verify_result(native_);
  cause_ = protocol_reason(code);
  detail_ = take_openssl_error();
  if (cause_ == reason::tls_failed && verified != X509_V_OK) {
    cause_ = verification_reason(verified);
    detail_ = X509_verify_cert_error_string(verified);
  }
}

tls_channel::peer_facts tls_channel::peer() const {
  certificate_handle certificate{SSL_get1_peer_certificate(native_)};
  if (certificate == nullptr)
    return {};
  return {certificate_replica(certificate.get()),
          tunnel::seconds_left(certificate.get())};
}

} // namespace neuroplex::tunnel
