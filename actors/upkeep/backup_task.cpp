#include "actors/upkeep/backup_task.hpp"

#include "memory/backup.hpp"

#include <optional>
#include <utility>

namespace neuroplex::upkeep {

namespace {

class backup_task final : public task {
public:
  backup_task(memory::store& store, std::string directory)
    : store_{store}, directory_{std::move(directory)} {
  }

  [[nodiscard]] std::string_view name() const noexcept override {
    return "backup";
  }

  [[nodiscard]] std::string_view unit() const noexcept override {
    return "bytes";
  }

  step_result step(std::uint64_t amount) override {
    if (!writer_) {
      auto opened = memory::backup_writer::open(store_, directory_);
      if (!opened)
        return {.outcome = opened.error()};
      writer_ = std::move(*opened);
    }
    auto done = writer_->step(amount);
    if (!done)
      return {.outcome = done.error()};
    if (!*done)
      return {.more = true};
    return {.found = (*done)->written ? (*done)->bytes : 0};
  }

private:
  memory::store& store_;
  std::string directory_;
  std::optional<memory::backup_writer> writer_;
};

} // namespace

std::unique_ptr<task> make_backup(memory::store& store, std::string directory) {
  return std::make_unique<backup_task>(store, std::move(directory));
}

} // namespace neuroplex::upkeep
