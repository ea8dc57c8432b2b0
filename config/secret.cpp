// Reading secrets, which live in files of their own.
#include "config/diagnostic.hpp"
#include "config/file.hpp"
#include "config/node_options.hpp"

namespace neuroplex::config {

expected<std::string> read_secret(const std::string& path) {
  auto text =
    read_file(path, {.max_bytes = max_secret_bytes + 2, .is_private = true});
  if (!text)
    return text;
  if (!text->empty() && text->back() == '\n')
    text->pop_back();
  if (!text->empty() && text->back() == '\r')
    text->pop_back();
  if (text->empty() || text->size() > max_secret_bytes)
    return failure{errc::config, quote(path, 256) + ": "
                                   + (text->empty() ? "empty" : "too long")
                                   + ": expected a secret of 1 to "
                                   + std::to_string(max_secret_bytes)
                                   + " bytes"};
  return text;
}

} // namespace neuroplex::config
