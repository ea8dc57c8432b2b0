#include "actors/tunnel/openssl_handles.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "actors/tunnel/limits.hpp"

namespace neuroplex::tunnel {

namespace {

failure file_failure(errc code, const std::filesystem::path& file,
                     const std::string& what) {
  return {code, file.string() + ": " + what};
}

/// A descriptor that closes itself.
class file_descriptor {
public:
  explicit file_descriptor(int fd) noexcept : fd_{fd} {
  }

  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;

  ~file_descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  [[nodiscard]] int get() const noexcept {
    return fd_;
  }

private:
  int fd_;
};

/// Answers no password, so that an encrypted key fails instead of asking.
int no_password(char*, int, int, void*) {
  return -1;
}

} // namespace

std::string take_openssl_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0)
    return "unknown cause";
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "code " + std::to_string(code);
}

expected<std::string> read_pem_file(const std::filesystem::path& file,
                                    bool secret) {
  // Non-blocking, so that a FIFO in place of the file does not hold us.
  file_descriptor input{
    ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (input.get() < 0)
    return file_failure(errc::config, file, std::strerror(errno));
  struct stat facts {};
  if (::fstat(input.get(), &facts) != 0)
    return file_failure(errc::config, file, std::strerror(errno));
  if (!S_ISREG(facts.st_mode))
    return file_failure(errc::config, file, "not a regular file");
  if (secret && (facts.st_mode & 077) != 0)
    return file_failure(errc::config, file,
                        "private key readable by others (E-SECRETMODE): "
                        "chmod 600 it");
  if (secret && facts.st_uid != ::geteuid() && facts.st_uid != 0)
    return file_failure(errc::config, file,
                        "private key of another user (E-SECRETMODE): chown it");
  if (static_cast<std::size_t>(facts.st_size) > limits::max_pem_bytes)
    return file_failure(errc::config, file, "too long for a PEM file");
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    auto count =
      ::read(input.get(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return file_failure(errc::config, file, std::strerror(errno));
    if (count == 0)
      break;
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

expected<std::vector<certificate_handle>>
read_certificates(const std::filesystem::path& file) {
  auto text = read_pem_file(file, false);
  if (!text)
    return text.error();
  bio_handle source{
    BIO_new_mem_buf(text->data(), static_cast<int>(text->size()))};
  std::vector<certificate_handle> result;
  while (source != nullptr) {
    certificate_handle next{
      PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)};
    if (next == nullptr)
      break;
    result.push_back(std::move(next));
  }
  // The end of the file shows as "no start line"; anything else is an error.
  const auto code = ERR_peek_last_error();
  const bool ended = ERR_GET_LIB(code) == ERR_LIB_PEM
                     && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  const auto cause = take_openssl_error();
  if (result.empty() || !ended)
    return file_failure(errc::config, file,
                        "not a PEM file of certificates (" + cause + ")");
  return result;
}

expected<key_handle> read_private_key(const std::filesystem::path& file) {
  auto text = read_pem_file(file, true);
  if (!text)
    return text.error();
  bio_handle source{
    BIO_new_mem_buf(text->data(), static_cast<int>(text->size()))};
  key_handle key{
    source == nullptr
      ? nullptr
      : PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr)};
  source.reset();
  OPENSSL_cleanse(text->data(), text->size());
  ERR_clear_error();
  if (key == nullptr)
    return file_failure(errc::config, file,
                        "not a PEM file of an unencrypted private key");
  return key;
}

std::optional<replica_id> certificate_replica(const X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
    X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::optional<replica_id> found;
  bool unique = true;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI)
      continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    auto id = parse_replica_uri(
      {reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
       static_cast<std::size_t>(ASN1_STRING_length(uri))});
    // A name of another kind, or a second replica, leaves nobody named.
    unique = unique && id.has_value() && !found.has_value();
    found = id;
  }
  GENERAL_NAMES_free(names);
  return unique ? found : std::nullopt;
}

std::int64_t seconds_left(const X509* certificate) {
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate))
      != 1)
    return -1;
  return std::int64_t{days} * 86'400 + seconds;
}

} // namespace neuroplex::tunnel
