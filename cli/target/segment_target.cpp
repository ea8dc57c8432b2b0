#include "cli/target/segment_target.hpp"

#include "config/diagnostic.hpp"

#include <sys/stat.h>
#include <utility>

namespace neuroplex::cli {

namespace {

using memory::namespace_id;

class segment_target final : public target {
public:
  explicit segment_target(memory::store data) : data_{std::move(data)} {
  }

  std::string name() const override {
    return "segment " + data_.path();
  }

  expected<entry> get(const std::string& space,
                      const std::string& key) override {
    auto id = find(space);
    if (!id)
      return id.error();
    entry result;
    memory::entry_info info;
    if (auto code = data_.get(*id, key, result.value, &info); code != errc::ok)
      return key_failure(code, key);
    result.version = static_cast<std::uint64_t>(info.version);
    result.expires_at_ms = info.expires_at_ms;
    return result;
  }

  expected<void> set(const std::string& space, const std::string& key,
                     const std::string& value,
                     const memory::set_options& options,
                     set_condition condition) override {
    auto id = make(space);
    if (!id)
      return id.error();
    auto store_value = [&] {
      switch (condition) {
        case set_condition::if_absent:
          return data_.set_if_absent(*id, key, value, options);
        case set_condition::if_present:
          return data_.set_if_present(*id, key, value, options);
        case set_condition::always:
          break;
      }
      return data_.set(*id, key, value, options);
    };
    if (auto code = store_value(); code != errc::ok)
      return key_failure(code, key, value.size(),
                         data_.stats().max_value_bytes);
    return {};
  }

  expected<void> erase(const std::string& space,
                       const std::string& key) override {
    auto id = find(space);
    if (!id)
      return id.error();
    if (auto code = data_.erase(*id, key); code != errc::ok)
      return key_failure(code, key);
    return {};
  }

  expected<std::int64_t> increment(const std::string& space,
                                   const std::string& key,
                                   std::int64_t delta) override {
    auto id = make(space);
    if (!id)
      return id.error();
    std::int64_t result = 0;
    if (auto code = data_.increment(*id, key, delta, result); code != errc::ok)
      return key_failure(code, key);
    return result;
  }

  expected<void> set_many(const std::string& space,
                          std::span<memory::set_request> requests) override {
    auto id = make(space);
    if (!id)
      return id.error();
    // Each request carries its answer; the sum of them says no more.
    static_cast<void>(data_.set_many(*id, requests));
    return {};
  }

  expected<scan_progress>
  scan(const std::string& space, scan_place from, std::uint32_t count,
       bool with_values,
       const std::function<void(const scanned&)>& visit) override {
    auto id = find(space);
    if (!id)
      return id.error();
    memory::scan_cursor cursor{from.cursor};
    auto show = [&visit](const memory::scan_entry& each) {
      visit(
        {each.key, each.value, each.info.value_bytes, each.info.expires_at_ms});
    };
    if (auto code = data_.scan(*id, cursor, count, show, with_values);
        code != errc::ok)
      return failure{code, "scan: " + std::string{describe(code)}};
    return scan_progress{{0, cursor.position}, cursor.done()};
  }

private:
  expected<namespace_id> find(const std::string& space) const {
    auto id = data_.find_namespace(space);
    if (!id && id.code() == errc::not_found)
      return failure{errc::not_found,
                     "namespace: " + config::quote(space)
                       + ": not found: \"neuroplex attach FILE\" lists them"};
    return id;
  }

  expected<namespace_id> make(const std::string& space) {
    return data_.open_namespace(space);
  }

  memory::store data_;
};

} // namespace

std::string segment_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    return path + "/segment";
  return path;
}

expected<memory::store> open_segment(const std::string& path,
                                     memory::access_mode mode) {
  return memory::store::open(segment_file(path), mode);
}

expected<std::unique_ptr<target>>
open_segment_target(const std::string& path, memory::access_mode mode) {
  auto data = open_segment(path, mode);
  if (!data)
    return data.error();
  return std::unique_ptr<target>{
    std::make_unique<segment_target>(std::move(*data))};
}

} // namespace neuroplex::cli
