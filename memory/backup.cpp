#include "memory/backup.hpp"

#include "memory/backup_writer_impl.hpp"

#include <utility>

namespace neuroplex::memory {

using detail::backup_writer_impl;

expected<void> backup_options::validate() const {
  constexpr unsigned least = 1;
  constexpr unsigned most = 10'000;
  if (fold_percent < least || fold_percent > most)
    return failure{errc::config, "fold_percent: " + std::to_string(fold_percent)
                                   + ": 1 to 10,000 are allowed"};
  return {};
}

expected<backup_writer> backup_writer::open(store& source,
                                            const std::string& directory,
                                            const backup_options& options) {
  auto medium = open_disk_directory(directory, true, "backup");
  if (!medium)
    return medium.error();
  return open(source, std::move(*medium), options);
}

expected<backup_writer>
backup_writer::open(store& source, std::unique_ptr<disk_directory> medium,
                    const backup_options& options) {
  auto impl = backup_writer_impl::open(detail::store_impl::of(source),
                                       std::move(medium), options);
  if (!impl)
    return impl.error();
  return backup_writer{std::move(*impl)};
}

backup_writer::backup_writer(std::unique_ptr<backup_writer_impl> impl) noexcept
  : impl_{std::move(impl)} {
}

backup_writer::backup_writer(backup_writer&&) noexcept = default;
backup_writer& backup_writer::operator=(backup_writer&&) noexcept = default;
backup_writer::~backup_writer() = default;

expected<backup_report> backup_writer::run_once() {
  constexpr auto no_limit = ~std::uint64_t{0};
  for (;;) {
    auto done = impl_->step(no_limit);
    if (!done)
      return done.error();
    if (*done)
      return **done;
  }
}

expected<std::optional<backup_report>>
backup_writer::step(std::uint64_t budget_bytes) {
  return impl_->step(budget_bytes);
}

bool backup_writer::in_progress() const noexcept {
  return impl_->in_progress();
}

} // namespace neuroplex::memory
