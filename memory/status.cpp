#include "memory/status.hpp"

#include <array>
#include <cstdio>

namespace neuroplex {

namespace {

struct errc_row {
  errc code;
  std::string_view name;
  int exit_status;
  std::string_view text;
};

constexpr int exit_ok = 0;
constexpr int exit_use = 2;
constexpr int exit_config = 3;
constexpr int exit_corrupt = 4;
constexpr int exit_refused = 5;
constexpr int exit_resource = 6;

// One row a code, in the order of the enumeration; checked below.
constexpr std::array<errc_row, errc_count> rows{{
  {errc::ok, "OK", exit_ok, "success"},
  {errc::not_found, "E-NOTFOUND", exit_refused,
   "not found: check the name, or create it first"},
  {errc::exists, "E-EXISTS", exit_refused,
   "already there: choose another name, or overwrite on purpose"},
  {errc::mismatch, "E-MISMATCH", exit_refused,
   "another value is stored: read it again and retry"},
  {errc::not_integer, "E-NOTINT", exit_refused,
   "the value is not a 64-bit decimal integer: set it to one first"},
  {errc::overflow, "E-OVERFLOW", exit_refused,
   "the result would leave the 64-bit range: nothing was changed"},
  {errc::wrong_type, "E-TYPE", exit_refused,
   "the value is of another kind: use the operations of its kind"},
  {errc::bad_key, "E-KEY", exit_use,
   "the key is empty: give at least one byte"},
  {errc::key_size, "E-KEYSIZE", exit_use,
   "the key is too long: at most 65535 bytes"},
  {errc::value_size, "E-VALSIZE", exit_use,
   "the value is too long: at most a quarter of the segment"},
  {errc::bad_ttl, "E-TTL", exit_use,
   "the expiry is out of range: give 1 ms up to about 292 years"},
  {errc::bad_namespace, "E-NAMESPACE", exit_use,
   "the namespace name must have 1 to 255 bytes"},
  {errc::bad_argument, "E-RANGE", exit_use, "an argument is out of its range"},
  {errc::no_space, "E-FULL", exit_resource,
   "no memory left: erase entries, or make the segment larger"},
  {errc::namespace_full, "E-NSFULL", exit_resource,
   "256 namespaces exist: drop one first"},
  {errc::too_many, "E-LIMIT", exit_resource,
   "a counted resource is used up: release one first"},
  {errc::busy, "E-BUSY", exit_resource, "busy: try again later"},
  {errc::read_only, "E-READONLY", exit_use,
   "opened read-only: open it read-write to change it"},
  {errc::closed, "E-CLOSED", exit_use, "used after close: open it again"},
  {errc::forked, "E-FORKED", exit_use,
   "opened before fork(): open it again in the child"},
  {errc::locked, "E-LOCKED", exit_resource,
   "held by another process: stop it or choose another path"},
  {errc::corrupt, "E-CORRUPT", exit_corrupt,
   "damaged data was found and not served: restore from a backup"},
  {errc::version, "E-VERSION", exit_corrupt,
   "written by another version: use the matching program"},
  {errc::segment_size, "E-SEGSIZE", exit_corrupt,
   "the file has a length that no segment has: it was cut or is foreign"},
  {errc::segment_mode, "E-SEGMODE", exit_refused,
   "the file must be ours, mode 0600, on a local file system"},
  {errc::bad_path, "E-PATH", exit_config,
   "the path is missing, of the wrong kind or not permitted"},
  {errc::io, "E-IO", exit_resource, "the operating system refused"},
  {errc::config, "E-CONFIG", exit_config, "the configuration is not valid"},
  {errc::unavailable, "E-UNAVAILABLE", exit_refused,
   "the node that owns this key is down: nothing was applied; retry later"},
  {errc::unknown_outcome, "E-UNKNOWN", exit_refused,
   "no answer in time: it may have been applied; read back before retrying"},
  {errc::denied, "E-DENIED", exit_refused, "not permitted: check credentials"},
  {errc::protocol, "E-PROTOCOL", exit_refused,
   "bytes that the protocol does not allow: the connection was closed"},
  {errc::conflict, "E-CONFLICT", exit_refused,
   "this request id was used with another body: take a new id"},
  {errc::deadline, "E-DEADLINE", exit_refused,
   "the deadline had already passed: nothing was applied"},
  {errc::internal, "E-INTERNAL", exit_resource,
   "a component failed and was restarted: see the log"},
}};

constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (static_cast<std::size_t>(rows[i].code) != i)
      return false;
  return true;
}

static_assert(rows_in_order(), "one row a code, in the enumeration's order");

const errc_row& row(errc code) noexcept {
  auto index = static_cast<std::size_t>(code);
  return index < rows.size() ? rows[index]
                             : rows[static_cast<std::size_t>(errc::internal)];
}

} // namespace

std::string_view code_name(errc code) noexcept {
  return row(code).name;
}

std::string_view describe(errc code) noexcept {
  return row(code).text;
}

int exit_status(errc code) noexcept {
  return row(code).exit_status;
}

std::string failure::to_string() const {
  std::string result = "error[";
  result += code_name(code_);
  result += "]: ";
  result += message_;
  return result;
}

void ensure_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: broken promise: expected %s\n", file, line,
               condition);
  std::abort();
}

} // namespace neuroplex
