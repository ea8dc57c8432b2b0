#include "actors/tunnel/certificates.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "actors/tunnel/openssl_handles.hpp"

namespace neuroplex::tunnel {

namespace {

using extension_handle =
  std::unique_ptr<X509_EXTENSION, openssl_free<X509_EXTENSION_free>>;
using number_handle = std::unique_ptr<BIGNUM, openssl_free<BN_free>>;

/// Validity begins this much in the past, for clocks that differ.
constexpr long backdate_seconds = 300;

constexpr long day_seconds = 86'400;
constexpr int serial_bits = 127;

failure openssl_failure(std::string_view what) {
  return {errc::io, std::string{what} + ": " + take_openssl_error()};
}

failure path_failure(errc code, const std::filesystem::path& path,
                     const std::string& what) {
  return {code, path.string() + ": " + what};
}

expected<void> check_validity(int days) {
  if (days >= 1 && days <= limits::max_validity_days)
    return {};
  return failure{errc::bad_argument,
                 "certificate validity: " + std::to_string(days) + " days: 1.."
                   + std::to_string(limits::max_validity_days)};
}

/// Letters, digits, dots, hyphens and a leading wildcard: nothing that could
/// begin another entry in OpenSSL's textual form of the extension.
bool dns_name_good(const std::string& name) {
  auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '*';
  };
  return !name.empty() && name.size() <= 253
         && std::all_of(name.begin(), name.end(), good);
}

bool ip_address_good(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1
         || ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

expected<key_handle> make_key(key_kind kind) {
  key_handle key{kind == key_kind::ed25519
                   ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                   : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
  if (key == nullptr)
    return openssl_failure("making a key");
  return key;
}

bool set_random_serial(X509* certificate) {
  number_handle number{BN_new()};
  return number != nullptr
         && BN_rand(number.get(), serial_bits, BN_RAND_TOP_ANY,
                    BN_RAND_BOTTOM_ANY)
              == 1
         && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate))
              != nullptr;
}

bool set_subject(X509* certificate, std::string_view organization,
                 const std::string& name) {
  auto* subject = X509_get_subject_name(certificate);
  auto add = [&](const char* field, std::string_view text) {
    return X509_NAME_add_entry_by_txt(
             subject, field, MBSTRING_UTF8,
             reinterpret_cast<const unsigned char*>(text.data()),
             static_cast<int>(text.size()), -1, 0)
           == 1;
  };
  return add("O", organization) && add("CN", name);
}

bool set_validity(X509* certificate, int starts_in_days, int validity_days) {
  const long start = starts_in_days * day_seconds - backdate_seconds;
  const long end = (long{starts_in_days} + validity_days) * day_seconds;
  return X509_gmtime_adj(X509_getm_notBefore(certificate), start) != nullptr
         && X509_gmtime_adj(X509_getm_notAfter(certificate), end) != nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid,
                   const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  extension_handle extension{
    X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())};
  return extension != nullptr
         && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool sign(X509* certificate, EVP_PKEY* key) {
  // Ed25519 brings its own digest.
  const EVP_MD* digest =
    EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  return X509_sign(certificate, key, digest) > 0;
}

/// A file that is removed again unless it was put in place.
class pending_file {
public:
  pending_file(std::filesystem::path target, mode_t mode)
    : target_{std::move(target)}, temporary_{target_.string() + ".XXXXXX"} {
    fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (fd_ < 0 || ::fchmod(fd_, mode) != 0)
      error_ = errno;
  }

  pending_file(const pending_file&) = delete;
  pending_file& operator=(const pending_file&) = delete;

  ~pending_file() {
    if (fd_ >= 0) {
      ::close(fd_);
      if (!placed_)
        ::unlink(temporary_.c_str());
    }
  }

  expected<void> write(std::string_view text) {
    while (error_ == 0 && !text.empty()) {
      const auto count = ::write(fd_, text.data(), text.size());
      if (count < 0 && errno != EINTR)
        error_ = errno;
      else if (count > 0)
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    if (error_ == 0 && ::fsync(fd_) != 0)
      error_ = errno;
    if (error_ != 0)
      return path_failure(errc::io, target_, std::strerror(error_));
    return {};
  }

  /// Gives the file its name. Without `replace`, a file that appeared
  /// meanwhile is left alone.
  expected<void> place(bool replace) {
    if (replace) {
      if (::rename(temporary_.c_str(), target_.c_str()) != 0)
        return path_failure(errc::io, target_, std::strerror(errno));
    } else {
      if (::link(temporary_.c_str(), target_.c_str()) != 0)
        return path_failure(errno == EEXIST ? errc::exists : errc::io, target_,
                            errno == EEXIST ? "exists: use force to replace it"
                                            : std::strerror(errno));
      ::unlink(temporary_.c_str());
    }
    placed_ = true;
    return {};
  }

private:
  std::filesystem::path target_;
  std::string temporary_;
  int fd_ = -1;
  int error_ = 0;
  bool placed_ = false;
};

expected<std::string> pem_of(X509* certificate) {
  bio_handle sink{BIO_new(BIO_s_mem())};
  if (sink == nullptr || PEM_write_bio_X509(sink.get(), certificate) != 1)
    return openssl_failure("writing a certificate");
  char* text = nullptr;
  const long size = BIO_get_mem_data(sink.get(), &text);
  return std::string{text, static_cast<std::size_t>(size)};
}

expected<void> write_key(pending_file& file, EVP_PKEY* key) {
  // Secure memory is cleansed when it is freed.
  bio_handle sink{BIO_new(BIO_s_secmem())};
  if (sink == nullptr
      || PEM_write_bio_PrivateKey(sink.get(), key, nullptr, nullptr, 0, nullptr,
                                  nullptr)
           != 1)
    return openssl_failure("writing a key");
  char* text = nullptr;
  const long size = BIO_get_mem_data(sink.get(), &text);
  return file.write({text, static_cast<std::size_t>(size)});
}

/// Writes both files; the certificate goes last, so that a certificate that is
/// there has its key.
expected<certificate_files> write_pair(const std::filesystem::path& directory,
                                       const std::string& name,
                                       X509* certificate, EVP_PKEY* key,
                                       bool force) {
  std::error_code code;
  if (!std::filesystem::is_directory(directory, code))
    return path_failure(errc::bad_path, directory,
                        "not a directory: make it first");
  certificate_files files{directory / (name + ".pem"),
                          directory / (name + ".key")};
  for (const auto& file : {files.certificate_file, files.key_file})
    if (!force && std::filesystem::exists(file, code))
      return path_failure(errc::exists, file,
                          "exists: use force to replace it");
  auto text = pem_of(certificate);
  if (!text)
    return text.error();
  pending_file key_file{files.key_file, 0600};
  if (auto ok = write_key(key_file, key); !ok)
    return ok.error();
  pending_file certificate_file{files.certificate_file, 0644};
  if (auto ok = certificate_file.write(*text); !ok)
    return ok.error();
  if (auto ok = key_file.place(force); !ok)
    return ok.error();
  if (auto ok = certificate_file.place(force); !ok)
    return ok.error();
  return files;
}

std::string time_text(const ASN1_TIME* time) {
  std::tm parts{};
  std::array<char, 32> text{};
  if (ASN1_TIME_to_tm(time, &parts) != 1
      || std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)
           == 0)
    return "?";
  return text.data();
}

std::string name_text(const X509_NAME* name) {
  bio_handle sink{BIO_new(BIO_s_mem())};
  if (sink == nullptr
      || X509_NAME_print_ex(sink.get(), name, 0, XN_FLAG_RFC2253) < 0)
    return "?";
  char* text = nullptr;
  const long size = BIO_get_mem_data(sink.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string hex_text(const unsigned char* bytes, std::size_t count) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (std::size_t i = 0; i < count; ++i) {
    result += digits[bytes[i] >> 4];
    result += digits[bytes[i] & 15];
  }
  return result;
}

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> result;
  auto* names = static_cast<GENERAL_NAMES*>(
    X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_URI) {
      result.push_back("URI:" + text_of(name->d.uniformResourceIdentifier));
    } else if (name->type == GEN_DNS) {
      result.push_back("DNS:" + text_of(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      const auto bytes = text_of(name->d.iPAddress);
      std::array<char, INET6_ADDRSTRLEN> text{};
      if ((bytes.size() == 4 || bytes.size() == 16)
          && ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(),
                         text.data(), text.size())
               != nullptr)
        result.push_back("IP:" + std::string{text.data()});
    }
  }
  GENERAL_NAMES_free(names);
  return result;
}

} // namespace

expected<void> authority_options::validate() const {
  if (auto ok = node_identity{cluster, 0, 0}.validate(); !ok)
    return failure{errc::bad_argument, ok.error().message()};
  return check_validity(validity_days);
}

expected<void> node_certificate_options::validate() const {
  if (auto ok = check_validity(validity_days); !ok)
    return ok;
  if (starts_in_days < -limits::max_validity_days
      || starts_in_days > limits::max_validity_days)
    return failure{
      errc::bad_argument,
      "certificate start: " + std::to_string(starts_in_days) + " days: at most "
        + std::to_string(limits::max_validity_days) + " either way"};
  if (dns_names.size() + ip_addresses.size() > limits::max_alternative_names)
    return failure{errc::bad_argument,
                   "certificate names: more than "
                     + std::to_string(limits::max_alternative_names)};
  for (const auto& name : dns_names)
    if (!dns_name_good(name))
      return failure{errc::bad_argument,
                     "certificate DNS name: '" + name + "': not a host name"};
  for (const auto& address : ip_addresses)
    if (!ip_address_good(address))
      return failure{errc::bad_argument, "certificate IP address: '" + address
                                           + "': not an address"};
  return {};
}

expected<certificate_files> create_authority(const authority_options& options) {
  if (auto ok = options.validate(); !ok)
    return ok.error();
  ERR_clear_error();
  auto key = make_key(options.key);
  if (!key)
    return key.error();
  certificate_handle made{X509_new()};
  auto* c = made.get();
  if (c == nullptr || X509_set_version(c, X509_VERSION_3) != 1
      || !set_random_serial(c)
      || !set_subject(c, options.cluster, options.cluster + " authority")
      || X509_set_issuer_name(c, X509_get_subject_name(c)) != 1
      || !set_validity(c, 0, options.validity_days)
      || X509_set_pubkey(c, key->get()) != 1
      || !add_extension(c, c, NID_basic_constraints,
                        "critical,CA:TRUE,pathlen:0")
      || !add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign")
      || !add_extension(c, c, NID_subject_key_identifier, "hash")
      || !sign(c, key->get()))
    return openssl_failure("making the authority");
  return write_pair(options.directory, "ca", c, key->get(), options.force);
}

expected<certificate_files>
issue_node_certificate(const node_certificate_options& options) {
  if (auto ok = options.validate(); !ok)
    return ok.error();
  ERR_clear_error();
  auto authorities = read_certificates(options.authority_certificate_file);
  if (!authorities)
    return authorities.error();
  auto authority_key = read_private_key(options.authority_key_file);
  if (!authority_key)
    return authority_key.error();
  auto* authority = authorities->front().get();
  if (X509_check_ca(authority) == 0
      || X509_check_private_key(authority, authority_key->get()) != 1) {
    ERR_clear_error();
    return path_failure(errc::config, options.authority_certificate_file,
                        "is not the authority of "
                          + options.authority_key_file.string());
  }
  auto key = make_key(options.key);
  if (!key)
    return key.error();
  const auto name = "replica-" + std::to_string(options.id);
  auto names = "URI:" + replica_uri(options.id);
  for (const auto& dns_name : options.dns_names)
    names += ",DNS:" + dns_name;
  for (const auto& address : options.ip_addresses)
    names += ",IP:" + address;
  certificate_handle made{X509_new()};
  auto* c = made.get();
  if (c == nullptr || X509_set_version(c, X509_VERSION_3) != 1
      || !set_random_serial(c) || !set_subject(c, "neuroplex", name)
      || X509_set_issuer_name(c, X509_get_subject_name(authority)) != 1
      || !set_validity(c, options.starts_in_days, options.validity_days)
      || X509_set_pubkey(c, key->get()) != 1
      || !add_extension(c, authority, NID_basic_constraints,
                        "critical,CA:FALSE")
      || !add_extension(c, authority, NID_key_usage,
                        "critical,digitalSignature")
      || !add_extension(c, authority, NID_ext_key_usage,
                        "serverAuth,clientAuth")
      || !add_extension(c, authority, NID_subject_key_identifier, "hash")
      || !add_extension(c, authority, NID_authority_key_identifier, "keyid")
      || !add_extension(c, authority, NID_subject_alt_name, names)
      || !sign(c, authority_key->get()))
    return openssl_failure("making the certificate of " + name);
  return write_pair(options.directory, name, c, key->get(), options.force);
}

expected<certificate_facts>
inspect_certificate(const std::filesystem::path& file) {
  auto certificates = read_certificates(file);
  if (!certificates)
    return certificates.error();
  auto* c = certificates->front().get();
  certificate_facts facts;
  facts.id = certificate_replica(c);
  facts.authority = X509_check_ca(c) != 0;
  facts.subject = name_text(X509_get_subject_name(c));
  facts.issuer = name_text(X509_get_issuer_name(c));
  const auto* serial = X509_get0_serialNumber(c);
  facts.serial = hex_text(ASN1_STRING_get0_data(serial),
                          static_cast<std::size_t>(ASN1_STRING_length(serial)));
  if (auto* key = X509_get0_pubkey(c); key != nullptr)
    facts.key = EVP_PKEY_get0_type_name(key);
  facts.not_before = time_text(X509_get0_notBefore(c));
  facts.not_after = time_text(X509_get0_notAfter(c));
  facts.seconds_left = seconds_left(c);
  facts.alternative_names = alternative_names(c);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int digest_bytes = 0;
  if (X509_digest(c, EVP_sha256(), digest.data(), &digest_bytes) == 1)
    facts.sha256 = hex_text(digest.data(), digest_bytes);
  ERR_clear_error();
  return facts;
}

} // namespace neuroplex::tunnel
