#include "cli/target/target.hpp"

#include "config/diagnostic.hpp"

namespace neuroplex::cli {

failure key_failure(errc code, std::string_view key, std::size_t value_bytes,
                    std::uint64_t max_value_bytes) {
  if (code == errc::bad_key)
    return {code, "key: empty: expected 1 to "
                    + std::to_string(limits::max_key_bytes) + " bytes"};
  if (code == errc::key_size)
    return {code, "key: " + std::to_string(key.size())
                    + " bytes: expected 1 to "
                    + std::to_string(limits::max_key_bytes)};
  if (code == errc::value_size && max_value_bytes != 0)
    return {code, "value: " + std::to_string(value_bytes)
                    + " bytes: expected at most "
                    + std::to_string(max_value_bytes)};
  return {code,
          "key: " + config::quote(key) + ": " + std::string{describe(code)}};
}

} // namespace neuroplex::cli
