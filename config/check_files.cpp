// What options name in the file system.
#include "config/check.hpp"
#include "config/file.hpp"
#include "config/nearest.hpp"
#include "config/settings.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace neuroplex::config {

namespace {

// Longest certificate or key file that is looked at.
constexpr std::size_t max_pem_bytes = std::size_t{1} << 20;

std::optional<diagnostic> check_directory(const std::string& path) {
  if (path.empty())
    return std::nullopt;
  auto problem_with = [&path](const std::string& what) {
    return diagnostic{
      failure{errc::bad_path, "node.data_dir: " + quote(path, 256) + ": " + what
                                + ": expected a directory that we may write"}};
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return problem_with(std::strerror(errno));
  if (!S_ISDIR(status.st_mode))
    return problem_with(std::strerror(ENOTDIR));
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0)
    return problem_with(std::strerror(errno));
  return std::nullopt;
}

std::optional<diagnostic> check_file(std::string_view field,
                                     const std::string& path, bool is_private) {
  if (path.empty())
    return std::nullopt;
  auto text =
    read_file(path, {.max_bytes = max_pem_bytes, .is_private = is_private});
  if (text)
    return std::nullopt;
  auto message = std::string{field} + ": " + text.error().message();
  if (text.code() == errc::denied)
    return diagnostic{problem::secret_mode, message};
  return diagnostic{failure{text.code(), message}};
}

std::optional<diagnostic> check_password(const std::string& path) {
  if (path.empty())
    return std::nullopt;
  auto secret = read_secret(path);
  if (secret)
    return std::nullopt;
  auto message = "resp.password_file: " + secret.error().message();
  if (secret.code() == errc::denied)
    return diagnostic{problem::secret_mode, message};
  return diagnostic{failure{secret.code(), message}};
}

} // namespace

std::optional<diagnostic> check_files(const node_options& options) {
  if (auto found = check_directory(options.data_dir))
    return found;
  if (options.tunnel.enabled) {
    if (auto found =
          check_file("tunnel.ca_file", options.tunnel.ca_file, false))
      return found;
    if (auto found = check_file("tunnel.certificate_file",
                                options.tunnel.certificate_file, false))
      return found;
    if (auto found =
          check_file("tunnel.key_file", options.tunnel.key_file, true))
      return found;
  }
  if (options.resp.port.enabled())
    return check_password(options.resp.password_file);
  return std::nullopt;
}

diagnostic unknown_setting(std::string_view name) {
  std::vector<std::string_view> names;
  for (auto& row : settings())
    names.push_back(row.name);
  auto near = nearest(name, names);
  return {problem::use,
          quote(name) + ": unknown setting: "
            + (near.empty()
                 ? "expected a name that \"neuroplex config explain\" lists"
                 : "did you mean " + quote(near) + "?")};
}

} // namespace neuroplex::config
